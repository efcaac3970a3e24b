/**
 * A matrix as coloured cells. Every cell is one pixel of a picture that is painted once a matrix;
 * what is shown is a part of that picture, enlarged. The pointer only moves two lines over it.
 */

import { element } from "../element";
import type { Theme } from "../theme";
import { paintPart, paintPixels, type Painted } from "./cell-painting";
import { cssOf, scaleOf, type Scale } from "./colour";
import type { Matrix } from "./matrix";
import { PartInSight } from "./part-in-sight";

export interface HeatmapEvents {
  /** Which cell is pointed at, as places in the matrix; null when none is. */
  pointed: (cell: [number, number] | null) => void;
  chosen: (cell: [number, number]) => void;
}

const HELP = "Arrow keys go from cell to cell, Enter opens the pair.";

export class Heatmap {
  readonly node = element("div", { class: "heatmap" });
  private readonly canvas = element("canvas", {
    tabindex: "0",
    role: "application",
    "aria-label": "Correlations as coloured cells, none yet",
  });
  private readonly across = element("i", { class: "cross across", "aria-hidden": "true" });
  private readonly down = element("i", { class: "cross down", "aria-hidden": "true" });
  private readonly picture = document.createElement("canvas");
  private readonly resized = new ResizeObserver(() => this.draw());
  private readonly part = new PartInSight();
  private matrix: Matrix | null = null;
  private order: number[] = [];
  private scale: Scale;
  private pointedAt: [column: number, row: number] | null = null;
  private dragged: { left: number; top: number; x: number; y: number; moved: boolean } | null =
    null;
  private wasMoved = false;

  constructor(
    private readonly theme: Theme,
    private readonly events: HeatmapEvents,
  ) {
    this.scale = scaleOf(theme.isDark);
    this.node.append(this.canvas, this.across, this.down);
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerleave", (event) => {
      // What a finger has touched stays told when it is lifted.
      if (event.pointerType === "mouse") this.point(null);
    });
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointerup", () => this.release());
    this.canvas.addEventListener("pointercancel", () => this.release());
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => this.step(event));
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        // The wheel alone belongs to the page; a pinch on a touchpad comes as this.
        if (!event.ctrlKey) return;
        event.preventDefault();
        const about = this.part.shareAt(event.offsetX, event.offsetY);
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, about);
      },
      { passive: false },
    );
    this.resized.observe(this.node);
  }

  show(matrix: Matrix, order: number[]): void {
    const isOther = this.matrix?.size !== matrix.size;
    this.matrix = matrix;
    this.order = order;
    if (isOther) {
      this.part.whole(matrix.size);
      this.point(null);
    }
    this.canvas.setAttribute(
      "aria-label",
      `Correlations of ${matrix.size} coins as coloured cells. ${HELP}`,
    );
    this.paint();
  }

  /** Paints the picture in the theme's colours. */
  paint(): void {
    this.scale = scaleOf(this.theme.isDark);
    const painted = this.painted();
    if (!painted) return;
    paintPixels(this.picture, painted);
    this.draw();
  }

  /** Larger below 1, smaller above; about this place of what is in sight, from 0 to 1. */
  zoom(factor: number, about: readonly [x: number, y: number] = [0.5, 0.5]): void {
    this.part.zoom(factor, about);
    this.draw();
  }

  whole(): void {
    this.part.whole();
    this.draw();
  }

  /** The colours from −1 to 1 as a bar, for the legend. */
  gradient(): string {
    const stops = Array.from({ length: 21 }, (_, i) => cssOf(this.scale.of(i / 10 - 1)));
    return `linear-gradient(90deg, ${stops.join(", ")})`;
  }

  get undefinedColour(): string {
    return cssOf(this.scale.undefined);
  }

  close(): void {
    this.resized.disconnect();
    this.picture.width = this.picture.height = 0;
  }

  private painted(): Painted | null {
    const { matrix, order, scale } = this;
    return matrix && { matrix, order, scale };
  }

  private draw(): void {
    const { canvas, part } = this;
    const painted = this.painted();
    const width = this.node.clientWidth;
    if (!painted || width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    if (part.side !== width || canvas.width !== Math.round(width * ratio)) {
      part.side = width;
      canvas.width = canvas.height = Math.round(width * ratio);
    }
    // A page that can be dragged must not scroll under the finger; a whole one lets it.
    canvas.style.touchAction = part.isWhole ? "pan-y" : "none";
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paintPart(context, this.picture, painted, part, this.theme.colour("muted"));
    this.cross();
  }

  private move(event: PointerEvent): void {
    const { dragged, part } = this;
    if (!dragged) {
      this.point(part.cellAt(event.offsetX, event.offsetY));
      return;
    }
    const [dx, dy] = [event.offsetX - dragged.left, event.offsetY - dragged.top];
    if (Math.hypot(dx, dy) > 4) dragged.moved = true;
    if (dragged.moved && !part.isWhole) {
      part.moveTo(dragged.x - dx / part.cell, dragged.y - dy / part.cell);
      this.draw();
    }
  }

  private press(event: PointerEvent): void {
    const { x, y } = this.part;
    // Else a button that is let go elsewhere would be held for ever.
    this.canvas.setPointerCapture(event.pointerId);
    this.dragged = { left: event.offsetX, top: event.offsetY, x, y, moved: false };
  }

  private release(): void {
    this.wasMoved = this.dragged?.moved ?? false;
    this.dragged = null;
  }

  /** Not when the finger is lifted: the page scrolls to the pair, and the click would hit that. */
  private click(event: MouseEvent): void {
    if (this.wasMoved) return;
    const cell = this.part.cellAt(event.offsetX, event.offsetY);
    this.point(cell);
    if (cell) this.choose(cell);
  }

  private step(event: KeyboardEvent): void {
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const last = (this.matrix?.size ?? 0) - 1;
    if (event.key === "Enter" && this.pointedAt) {
      this.choose(this.pointedAt);
      return;
    }
    const step = steps[event.key];
    if (!step || last < 0) return;
    event.preventDefault();
    const within = (value: number) => Math.max(0, Math.min(last, value));
    const [column, row] = this.pointedAt ?? [-step[0], -step[1]];
    const next: [number, number] = [within(column + step[0]), within(row + step[1])];
    this.part.bringIn(next);
    if (!this.part.isWhole) this.draw();
    this.point(next);
  }

  private point(cell: [number, number] | null): void {
    if (cell?.[0] === this.pointedAt?.[0] && cell?.[1] === this.pointedAt?.[1]) return;
    this.pointedAt = cell;
    this.cross();
    this.events.pointed(cell && this.inMatrix(cell));
  }

  private choose(cell: [number, number]): void {
    this.events.chosen(this.inMatrix(cell));
  }

  private inMatrix([column, row]: [number, number]): [number, number] {
    return [this.order[row] ?? 0, this.order[column] ?? 0];
  }

  /** Frames the row and the column that are pointed at. */
  private cross(): void {
    const { pointedAt, part } = this;
    this.across.hidden = this.down.hidden = pointedAt === null;
    if (!pointedAt) return;
    const [column, row] = pointedAt;
    const thick = Math.max(part.cell, 3);
    this.down.style.transform = `translateX(${part.leftOf(column + 0.5) - thick / 2}px)`;
    this.down.style.width = `${thick}px`;
    this.across.style.transform = `translateY(${part.topOf(row + 0.5) - thick / 2}px)`;
    this.across.style.height = `${thick}px`;
  }
}
