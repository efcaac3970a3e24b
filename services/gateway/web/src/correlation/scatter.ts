/** The returns of two coins against each other. */

import { element } from "../element";
import { fixed } from "../format";
import type { Theme } from "../theme";

const SIDE = 220;
const ROOM = 10;

export class Scatter {
  readonly node = element("figure", { class: "scatter" });
  private readonly canvas = element("canvas", { role: "img" });

  constructor(private readonly theme: Theme) {
    this.node.append(this.canvas, element("figcaption"));
  }

  /** Pairs of log returns; those that are no numbers are left out. */
  show(returns: readonly (readonly [number, number])[], a: string, b: string): void {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.height = SIDE * ratio;
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const largest = Math.max(1e-9, ...returns.flatMap(([x, y]) => [Math.abs(x), Math.abs(y)]));
    const at = (value: number) => SIDE / 2 + (value / largest) * (SIDE / 2 - ROOM);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.strokeStyle = this.theme.colour("edge");
    context.beginPath();
    context.moveTo(SIDE / 2, 0);
    context.lineTo(SIDE / 2, SIDE);
    context.moveTo(0, SIDE / 2);
    context.lineTo(SIDE, SIDE / 2);
    context.stroke();
    context.fillStyle = this.theme.colour("accent");
    context.globalAlpha = 0.6;
    for (const [x, y] of returns) {
      context.beginPath();
      context.arc(at(x), SIDE - at(y), 2.2, 0, 2 * Math.PI);
      context.fill();
    }
    const label = `Returns of ${a} (across) and ${b} (up), ${returns.length} of them`;
    this.canvas.setAttribute("aria-label", label);
    const caption = this.node.querySelector("figcaption");
    if (caption) caption.textContent = `${label}; edge ±${fixed(largest * 1e4, 1)} bps`;
  }
}
