/** One button an indicator: on or off, its newest figure, and how many bars stand behind it. */

import { LiveAttribute, LiveText, element } from "../element";
import { NOTHING, fixed, percent } from "../format";
import { explainFigure } from "../reasons";
import { INDICATORS, type Figures, type Indicator } from "./indicators";

class Toggle {
  readonly node: HTMLButtonElement;
  private readonly value = new LiveText(element("span", { class: "value" }));
  private readonly remark = new LiveText(element("span", { class: "remark" }));
  private readonly pressed: LiveAttribute;

  constructor(
    readonly indicator: Indicator,
    clicked: () => void,
  ) {
    const mark = element("i", { class: "swatch", "aria-hidden": "true" });
    mark.style.background = `var(--${indicator.colour})`;
    this.node = element("button", { type: "button", class: "indicator" });
    this.node.append(mark, element("b", {}, indicator.name), this.value.host, this.remark.host);
    this.node.addEventListener("click", clicked);
    this.pressed = new LiveAttribute(this.node, "aria-pressed");
  }

  show(on: boolean, figures: Figures | null, decimals: number): void {
    this.pressed.set(String(on));
    const { fields, kind, from } = this.indicator;
    const values = fields.map((field) => figures?.values.get(field) ?? null);
    const n = figures?.n ?? null;
    const format = (value: number) =>
      kind === "percent" ? percent(value) : fixed(value, kind === "number" ? 1 : decimals);
    if (values.every((value) => value !== null)) {
      // The wider of two lines is named last: lower to upper.
      const text = values
        .map((value) => format(value as number))
        .reverse()
        .join(" – ");
      this.value.set(text, text);
      this.remark.set(n === null ? "" : `n ${n}`);
      return;
    }
    this.value.set(NOTHING);
    const reason = figures ? figures.reasons[fields[0] ?? ""] : undefined;
    if (reason === "warming" && n !== null) {
      this.remark.set(`warming, ${n} of ${from} bars`, explainFigure(reason));
    } else if (reason) {
      this.remark.set(reason, explainFigure(reason));
    } else {
      this.remark.set("no figure");
    }
  }
}

export class IndicatorBar {
  readonly node = element("div", {
    class: "indicators",
    role: "group",
    "aria-label": "Indicators",
  });
  private readonly toggles: Toggle[];

  constructor(
    private readonly on: Set<string>,
    changed: () => void,
  ) {
    this.toggles = INDICATORS.map((indicator) => {
      return new Toggle(indicator, () => {
        if (!this.on.delete(indicator.id)) this.on.add(indicator.id);
        changed();
      });
    });
    this.node.append(...this.toggles.map(({ node }) => node));
  }

  get shown(): Indicator[] {
    return INDICATORS.filter(({ id }) => this.on.has(id));
  }

  show(newest: Figures | null, decimals: number): void {
    for (const toggle of this.toggles) {
      toggle.show(this.on.has(toggle.indicator.id), newest, decimals);
    }
  }
}
