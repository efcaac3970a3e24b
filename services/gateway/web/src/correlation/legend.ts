/** What the colours of the cells mean, and the buttons that enlarge a part of them. */

import { element } from "../element";
import type { Heatmap } from "./heatmap";

export class Legend {
  readonly node = element("div", { class: "scale" });
  private readonly bar = element("i", { class: "scale-bar" });
  private readonly grey = element("i", { class: "scale-grey" });

  constructor(private readonly heatmap: Heatmap) {
    const changed = element("i", { class: "scale-changed" });
    this.node.append("−1", this.bar, "1", this.grey, "undefined", changed, "changed");
    this.node.append(
      element("span", { class: "spring" }),
      button("+", "Enlarge", () => heatmap.zoom(0.5)),
      button("−", "Reduce", () => heatmap.zoom(2)),
      button("Whole", "Whole matrix", () => heatmap.whole()),
    );
  }

  /** Takes the colours of the theme. */
  paint(): void {
    this.bar.style.background = this.heatmap.gradient();
    this.grey.style.background = this.heatmap.undefinedColour;
  }
}

function button(text: string, label: string, clicked: () => void): HTMLButtonElement {
  const made = element("button", { type: "button", class: "button", "aria-label": label }, text);
  made.addEventListener("click", clicked);
  return made;
}
