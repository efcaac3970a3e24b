/** Figures in tiles: a value, how many observations stand behind it, or why there is none. */

import type { Reason } from "./contract";
import { LiveText, element } from "./element";
import { NOTHING } from "./format";
import { explainFigure } from "./reasons";

class FigureTile {
  private readonly value: LiveText;
  private readonly remark: LiveText;

  constructor(host: HTMLElement, key: string, title: string, explanation: string) {
    const value = element("dd");
    const remark = element("dd", { class: "remark" });
    const term = element("dt", explanation ? { title: explanation } : {}, title);
    host.append(element("div", { class: `tile ${key}` }, term, value, remark));
    this.value = new LiveText(value);
    this.remark = new LiveText(remark);
  }

  show(text: string | null, remark: string, reason: Reason | undefined): void {
    if (text !== null) {
      this.value.set(text);
      this.remark.set(remark);
    } else {
      const why = reason ? explainFigure(reason) : "not known yet";
      this.value.set(NOTHING, why);
      this.remark.set(remark ? `${why} · ${remark}` : why);
    }
  }
}

export class FigureTiles {
  readonly node: HTMLElement;
  private readonly tiles = new Map<string, FigureTile>();

  constructor(
    label: string,
    titles: readonly (readonly [key: string, title: string, explanation: string])[],
  ) {
    this.node = element("dl", { class: "readout figures", "aria-label": label });
    for (const [key, title, explanation] of titles) {
      this.tiles.set(key, new FigureTile(this.node, key, title, explanation));
    }
  }

  show(
    key: string,
    value: number | null | undefined,
    format: (value: number) => string,
    remark = "",
    reason?: Reason,
  ): void {
    const text = value === null || value === undefined ? null : format(value);
    this.tiles.get(key)?.show(text, remark, reason);
  }
}
