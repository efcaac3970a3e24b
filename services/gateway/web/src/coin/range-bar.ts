/** Which stretch of time is shown: one that ends now, or one between two moments, in UTC. */

import { element } from "../element";
import { PRESETS, aligned, intervalOf, type Span } from "./bars";

export interface Kept {
  preset: string;
  /** Of the custom range, as the fields hold it: 2026-11-21T10:00, in UTC. */
  from: string;
  to: string;
}

const CUSTOM = "custom";

export class RangeBar {
  readonly node = element("div", { class: "ranges" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly form = element("form", { class: "custom", hidden: "" });
  private readonly from = momentInput("From, UTC");
  private readonly to = momentInput("To, UTC");
  private readonly problem = element("span", { class: "answer", role: "status" });

  constructor(
    private readonly kept: Kept,
    private readonly changed: () => void,
    private readonly now: () => number,
  ) {
    const group = element("div", { class: "segments", role: "group", "aria-label": "Range" });
    for (const { id, name } of [...PRESETS, { id: CUSTOM, name: "Custom" }]) {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => this.choose(id));
      this.buttons.set(id, button);
      group.append(button);
    }
    this.form.append(this.from.node, this.to.node);
    this.form.append(element("button", { type: "submit", class: "button" }, "Show"), this.problem);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose(CUSTOM);
    });
    this.from.input.value = kept.from;
    this.to.input.value = kept.to;
    this.node.append(group, this.form);
    this.mark();
  }

  /** A range that ends now goes on; one between two moments does not. */
  get isLive(): boolean {
    return this.kept.preset !== CUSTOM;
  }

  span(): Span | null {
    const preset = PRESETS.find(({ id }) => id === this.kept.preset);
    if (preset) {
      const { end } = aligned(0, this.now(), preset.interval);
      return { start: end - preset.seconds, end, interval: preset.interval };
    }
    const [start, end] = [secondsOf(this.kept.from), secondsOf(this.kept.to)];
    return end > start ? aligned(start, end, intervalOf(end - start)) : null;
  }

  private choose(id: string): void {
    if (id === CUSTOM && this.kept.preset !== CUSTOM && !this.from.input.value) {
      const now = this.now();
      this.from.input.value = inputValueOf(now - 7_200);
      this.to.input.value = inputValueOf(now);
    }
    if (id === CUSTOM) {
      const [from, to] = [this.from.input.value, this.to.input.value];
      const fits = secondsOf(to) > secondsOf(from);
      this.problem.textContent = fits ? "" : "The end must come after the start.";
      if (fits) Object.assign(this.kept, { from, to });
      else {
        this.kept.preset = CUSTOM;
        this.mark();
        return;
      }
    }
    this.kept.preset = id;
    this.mark();
    this.changed();
  }

  private mark(): void {
    for (const [id, button] of this.buttons) {
      button.setAttribute("aria-pressed", String(id === this.kept.preset));
    }
    this.form.hidden = this.isLive;
  }
}

function momentInput(label: string): { node: HTMLElement; input: HTMLInputElement } {
  const input = element("input", { type: "datetime-local", required: "" });
  return { node: element("label", { class: "picker" }, element("span", {}, label), input), input };
}

/** The fields know no zone; here they are UTC, as all times of this page. */
function secondsOf(value: string): number {
  return value ? Date.parse(`${value}Z`) / 1000 : NaN;
}

function inputValueOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 16);
}
