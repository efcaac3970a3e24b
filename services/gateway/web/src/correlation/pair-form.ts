/** Two coins to look up by name. */

import { element } from "../element";

export class PairForm {
  readonly node = element("form", { class: "pair-form", role: "search" });
  /** The coins that are known, for the fields to offer. */
  readonly names = element("datalist", { id: "coins-known" });
  private readonly first = coinInput("First coin");
  private readonly second = coinInput("Second coin");

  constructor(open: (a: string, b: string) => void) {
    this.node.append(
      this.first,
      this.second,
      element("button", { type: "submit", class: "button" }, "Look up"),
    );
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      const [a, b] = [this.first, this.second].map((input) => input.value.trim().toUpperCase());
      open(a ?? "", b ?? "");
    });
  }

  show(a: string, b: string): void {
    this.first.value = a;
    this.second.value = b;
  }

  offer(coins: string[]): void {
    this.names.replaceChildren(...coins.map((value) => element("option", { value })));
  }
}

function coinInput(label: string): HTMLInputElement {
  return element("input", {
    list: "coins-known",
    size: "8",
    "aria-label": label,
    placeholder: label,
    required: "",
    autocomplete: "off",
  });
}
