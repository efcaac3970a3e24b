/** Pairs whose correlation has changed against the longer window, to open with a click. */

import { element } from "../element";
import { fixed } from "../format";
import type { Matrix } from "./matrix";

// They come with the greatest change first.
const SHOWN_AT_MOST = 12;

export class ChangedPanel {
  readonly node = element("section", {
    class: "panel changed-panel",
    "aria-labelledby": "changed-title",
  });

  constructor(private readonly open: (a: string, b: string) => void) {}

  show({ changedPairs, against }: Matrix): void {
    const title = against ? `Changed against ${against}` : "Changed pairs";
    const pairs = changedPairs.slice(0, SHOWN_AT_MOST).map(([a, b, z]) => {
      const button = element("button", { type: "button", class: "button" }, `${a} – ${b}`);
      if (z !== null) button.append(element("small", {}, ` z ${fixed(z, 1)}`));
      button.addEventListener("click", () => this.open(a, b));
      return element("li", {}, button);
    });
    const more = changedPairs.length - pairs.length;
    const none = against ? "No pair has." : "A longer window to compare with has no figures yet.";
    const note = more > 0 ? `And ${more} more.` : pairs.length ? "" : none;
    this.node.replaceChildren(
      element("h2", { id: "changed-title" }, title),
      element("ul", {}, ...pairs),
      element("p", { class: "chart-note" }, note),
    );
  }
}
