/** How several questions stand that one part of a view asks, in one line. */

import { LiveText, element } from "./element";

export class Troubles<Question extends string> {
  private readonly line = new LiveText(element("p", { class: "answer", role: "status" }));
  private readonly words = new Map<Question, string>();

  /** What went wrong with the first of the questions is told alone. */
  constructor(private readonly questions: readonly Question[]) {}

  get node(): HTMLElement {
    return this.line.host;
  }

  /** Empty where all is well. */
  tell(question: Question, words: string): void {
    this.words.set(question, words);
    this.line.set(this.questions.map((each) => this.words.get(each)).find(Boolean) ?? "");
  }
}
