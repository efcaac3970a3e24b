/** A labelled list to pick from, whose choices may change while it is shown. */

import { element } from "./element";

export interface Option {
  value: string;
  text: string;
}

export class Picker {
  readonly node: HTMLElement;
  private readonly select = element("select");
  private known = "";

  constructor(label: string, changed: () => void, options: Option[] = []) {
    this.node = element("label", { class: "picker" }, element("span", {}, label), this.select);
    // What is picked is no part of its name.
    this.select.setAttribute("aria-label", label);
    this.select.addEventListener("change", changed);
    this.offer(options);
  }

  get value(): string {
    return this.select.value;
  }

  set value(value: string) {
    this.select.value = value;
  }

  has(value: string): boolean {
    return [...this.select.options].some((option) => option.value === value);
  }

  /** What is picked stays picked where it still can be. */
  offer(options: Option[], preferred = ""): void {
    const known = options.map(({ value, text }) => `${value}\n${text}`).join("\n\n");
    if (known === this.known) return;
    this.known = known;
    const before = this.select.value;
    this.select.replaceChildren(
      ...options.map(({ value, text }) => element("option", { value }, text)),
    );
    if (this.has(before) && before) this.select.value = before;
    else if (preferred && this.has(preferred)) this.select.value = preferred;
  }
}
