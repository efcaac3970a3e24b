/**
 * A matrix as coloured cells. Every cell is one pixel of a picture that is painted once a matrix;
 * what is shown is a part of that picture, enlarged. The pointer only moves two lines over it.
 */

import { element } from "../element";
import { fixed } from "../format";
import type { Theme } from "../theme";
import { cssOf, inkOn, scaleOf, type Scale } from "./colour";
import type { Matrix } from "./matrix";

export interface HeatmapEvents {
  /** Which cell is pointed at, as places in the matrix; null when none is. */
  pointed: (cell: [number, number] | null) => void;
  chosen: (cell: [number, number]) => void;
}

const LEAST_FOR_NAMES = 11;
const LEAST_FOR_NUMBERS = 34;
const LEAST_FOR_MARKS = 5;
const GUTTER = 50;
const FEWEST_CELLS = 8;
const FONT = "ui-sans-serif, system-ui, sans-serif";
const HELP = "Arrow keys go from cell to cell, Enter opens the pair.";

export class Heatmap {
  readonly node = element("div", { class: "heatmap" });
  private readonly canvas = element("canvas", { tabindex: "0", role: "application" });
  private readonly across = element("i", { class: "cross across", "aria-hidden": "true" });
  private readonly down = element("i", { class: "cross down", "aria-hidden": "true" });
  private readonly picture = document.createElement("canvas");
  private readonly resized = new ResizeObserver(() => this.draw());
  private matrix: Matrix | null = null;
  private order: number[] = [];
  private scale: Scale;
  private size = 0;
  /** The part in sight: its first column and row, and how many of each. */
  private view = { x: 0, y: 0, cells: 0 };
  private pointedAt: [column: number, row: number] | null = null;
  private dragged: { x: number; y: number; view: { x: number; y: number }; moved: boolean } | null =
    null;

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
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
    this.canvas.addEventListener("pointercancel", () => (this.dragged = null));
    this.canvas.addEventListener("keydown", (event) => this.step(event));
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        // The wheel alone belongs to the page; a pinch on a touchpad comes as this.
        if (!event.ctrlKey) return;
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.placeOf(event));
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
      this.view = { x: 0, y: 0, cells: matrix.size };
      this.point(null);
    }
    this.canvas.setAttribute(
      "aria-label",
      `Correlations of ${matrix.size} coins as coloured cells. ${HELP}`,
    );
    this.paint();
  }

  /** Paints the picture: one pixel a cell. */
  paint(): void {
    const { matrix, order } = this;
    this.scale = scaleOf(this.theme.isDark);
    if (!matrix) return;
    const size = matrix.size;
    this.picture.width = this.picture.height = Math.max(1, size);
    const context = this.picture.getContext("2d");
    if (!context || size === 0) return;
    const image = context.createImageData(size, size);
    let at = 0;
    for (const i of order) {
      for (const j of order) {
        const [r, g, b] = this.scale.of(matrix.rAt(i, j));
        image.data[at] = r;
        image.data[at + 1] = g;
        image.data[at + 2] = b;
        image.data[at + 3] = 255;
        at += 4;
      }
    }
    context.putImageData(image, 0, 0);
    this.draw();
  }

  /** Larger below 1, smaller above; about this place of the view, from 0 to 1. */
  zoom(factor: number, about: [x: number, y: number] = [0.5, 0.5]): void {
    const size = this.matrix?.size ?? 0;
    const least = Math.min(size, FEWEST_CELLS);
    const cells = Math.max(least, Math.min(size, this.view.cells * factor));
    const shift = this.view.cells - cells;
    this.view = { x: this.view.x + shift * about[0], y: this.view.y + shift * about[1], cells };
    this.draw();
  }

  whole(): void {
    this.view = { x: 0, y: 0, cells: this.matrix?.size ?? 0 };
    this.draw();
  }

  close(): void {
    this.resized.disconnect();
    this.picture.width = this.picture.height = 0;
  }

  private get cellSize(): number {
    return (this.size - GUTTER) / Math.max(1, this.view.cells);
  }

  private draw(): void {
    const { matrix, canvas } = this;
    const width = this.node.clientWidth;
    if (!matrix || width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.size !== width || canvas.width !== Math.round(width * ratio)) {
      this.size = width;
      canvas.width = canvas.height = Math.round(width * ratio);
    }
    const free = matrix.size - this.view.cells;
    this.view.x = Math.max(0, Math.min(free, this.view.x));
    this.view.y = Math.max(0, Math.min(free, this.view.y));
    // A page that can be dragged must not scroll under the finger; a whole one lets it.
    canvas.style.touchAction = free > 0 ? "none" : "pan-y";
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, width);
    context.imageSmoothingEnabled = false;
    const { x, y, cells } = this.view;
    const side = width - GUTTER;
    context.drawImage(this.picture, x, y, cells, cells, GUTTER, GUTTER, side, side);
    if (this.cellSize >= LEAST_FOR_MARKS) this.drawCells(context, matrix);
    if (this.cellSize >= LEAST_FOR_NAMES) this.drawNames(context, matrix);
    this.cross();
  }

  private drawCells(context: CanvasRenderingContext2D, matrix: Matrix): void {
    const cell = this.cellSize;
    const { x, y, cells } = this.view;
    context.save();
    context.beginPath();
    context.rect(GUTTER, GUTTER, this.size - GUTTER, this.size - GUTTER);
    context.clip();
    context.font = `${Math.min(13, cell / 3)}px ${FONT}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = Math.floor(y); row < y + cells; row += 1) {
      for (let column = Math.floor(x); column < x + cells; column += 1) {
        const i = this.order[row];
        const j = this.order[column];
        if (i === undefined || j === undefined) continue;
        const left = GUTTER + (column - x) * cell;
        const top = GUTTER + (row - y) * cell;
        const r = matrix.rAt(i, j);
        context.fillStyle = inkOn(this.scale.of(r));
        if (matrix.isChanged(i, j)) {
          const corner = Math.min(10, cell * 0.4);
          context.beginPath();
          context.moveTo(left + cell - corner, top);
          context.lineTo(left + cell, top);
          context.lineTo(left + cell, top + corner);
          context.fill();
        }
        if (cell >= LEAST_FOR_NUMBERS) {
          const text = Number.isNaN(r) ? "–" : fixed(r, 2);
          context.fillText(text, left + cell / 2, top + cell / 2);
        }
      }
    }
    context.restore();
  }

  private drawNames(context: CanvasRenderingContext2D, matrix: Matrix): void {
    const cell = this.cellSize;
    const { x, y, cells } = this.view;
    context.fillStyle = this.theme.colour("muted");
    context.font = `${Math.min(12, Math.max(9, cell * 0.8))}px ${FONT}`;
    context.textBaseline = "middle";
    const last = Math.min(matrix.size, Math.ceil(Math.max(x, y) + cells));
    for (let k = Math.floor(Math.min(x, y)); k < last; k += 1) {
      const coin = matrix.coins[this.order[k] ?? -1];
      if (coin === undefined) continue;
      const across = GUTTER + (k - x + 0.5) * cell;
      const below = GUTTER + (k - y + 0.5) * cell;
      if (below > GUTTER && below < this.size) {
        context.textAlign = "right";
        context.fillText(coin, GUTTER - 5, below, GUTTER - 8);
      }
      if (across > GUTTER && across < this.size) {
        context.save();
        context.translate(across, GUTTER - 5);
        // Names that fit lie flat.
        if (cell < 44) {
          context.rotate(-Math.PI / 2);
          context.textAlign = "left";
        } else {
          context.textAlign = "center";
          context.translate(0, -5);
        }
        context.fillText(coin, 0, 0, GUTTER - 8);
        context.restore();
      }
    }
  }

  private move(event: PointerEvent): void {
    const { dragged } = this;
    if (dragged) {
      const [dx, dy] = [event.offsetX - dragged.x, event.offsetY - dragged.y];
      if (Math.hypot(dx, dy) > 4) dragged.moved = true;
      if (dragged.moved && this.matrix && this.view.cells < this.matrix.size) {
        this.view.x = dragged.view.x - dx / this.cellSize;
        this.view.y = dragged.view.y - dy / this.cellSize;
        this.draw();
      }
      return;
    }
    this.point(this.cellAt(event));
  }

  private press(event: PointerEvent): void {
    const { x, y } = this.view;
    this.dragged = { x: event.offsetX, y: event.offsetY, view: { x, y }, moved: false };
  }

  private release(event: PointerEvent): void {
    const moved = this.dragged?.moved ?? true;
    this.dragged = null;
    if (moved) return;
    const cell = this.cellAt(event);
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
    const { cells } = this.view;
    this.view.x = Math.max(next[0] + 1 - cells, Math.min(next[0], this.view.x));
    this.view.y = Math.max(next[1] + 1 - cells, Math.min(next[1], this.view.y));
    if (cells <= last) this.draw();
    this.point(next);
  }

  private cellAt(event: PointerEvent): [number, number] | null {
    const { x, y } = this.view;
    const column = Math.floor((event.offsetX - GUTTER) / this.cellSize + x);
    const row = Math.floor((event.offsetY - GUTTER) / this.cellSize + y);
    const inside = event.offsetX >= GUTTER && event.offsetY >= GUTTER;
    const size = this.matrix?.size ?? 0;
    return inside && column < size && row < size ? [column, row] : null;
  }

  private placeOf(event: WheelEvent): [number, number] {
    const side = this.size - GUTTER;
    return [(event.offsetX - GUTTER) / side, (event.offsetY - GUTTER) / side];
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
    const { pointedAt } = this;
    this.across.hidden = this.down.hidden = pointedAt === null;
    if (!pointedAt) return;
    const cell = this.cellSize;
    const thick = Math.max(cell, 3);
    const middle = (place: number, from: number) =>
      GUTTER + (place - from + 0.5) * cell - thick / 2;
    this.down.style.transform = `translateX(${middle(pointedAt[0], this.view.x)}px)`;
    this.down.style.width = `${thick}px`;
    this.across.style.transform = `translateY(${middle(pointedAt[1], this.view.y)}px)`;
    this.across.style.height = `${thick}px`;
  }

  /** The colours from −1 to 1 as a bar, for the legend. */
  gradient(): string {
    const stops = Array.from({ length: 21 }, (_, i) => cssOf(this.scale.of(i / 10 - 1)));
    return `linear-gradient(90deg, ${stops.join(", ")})`;
  }

  get undefinedColour(): string {
    return cssOf(this.scale.undefined);
  }
}
