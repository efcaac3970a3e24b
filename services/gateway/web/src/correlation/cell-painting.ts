/** What is painted of a matrix: its colours as one pixel a cell, then marks, numbers and names. */

import { NOTHING, fixed } from "../format";
import { inkOn, type Scale } from "./colour";
import type { Matrix } from "./matrix";
import { GUTTER, type PartInSight } from "./part-in-sight";

const LEAST_FOR_NAMES = 11;
const LEAST_FOR_NUMBERS = 34;
const LEAST_FOR_MARKS = 5;
const FONT = "ui-sans-serif, system-ui, sans-serif";

/** A matrix whose rows and columns stand in an order, and its colours. */
export interface Painted {
  matrix: Matrix;
  order: number[];
  scale: Scale;
}

/** Paints one pixel a cell. */
export function paintPixels(picture: HTMLCanvasElement, { matrix, order, scale }: Painted): void {
  const { size } = matrix;
  picture.width = picture.height = Math.max(1, size);
  const context = picture.getContext("2d");
  if (!context || size === 0) return;
  const image = context.createImageData(size, size);
  let at = 0;
  for (const i of order) {
    for (const j of order) {
      const [r, g, b] = scale.of(matrix.rAt(i, j));
      image.data[at] = r;
      image.data[at + 1] = g;
      image.data[at + 2] = b;
      image.data[at + 3] = 255;
      at += 4;
    }
  }
  context.putImageData(image, 0, 0);
}

/** Enlarges the part in sight, and writes what its cells have room for. */
export function paintPart(
  context: CanvasRenderingContext2D,
  picture: HTMLCanvasElement,
  painted: Painted,
  part: PartInSight,
  names: string,
): void {
  const { x, y, cells } = part;
  const side = part.side - GUTTER;
  context.clearRect(0, 0, part.side, part.side);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, x, y, cells, cells, GUTTER, GUTTER, side, side);
  if (part.cell >= LEAST_FOR_MARKS) paintCells(context, painted, part);
  if (part.cell >= LEAST_FOR_NAMES) paintNames(context, painted, part, names);
}

function paintCells(
  context: CanvasRenderingContext2D,
  { matrix, order, scale }: Painted,
  part: PartInSight,
): void {
  const { cell, x, y, cells } = part;
  context.save();
  context.beginPath();
  context.rect(GUTTER, GUTTER, part.side - GUTTER, part.side - GUTTER);
  context.clip();
  context.font = `${Math.min(13, cell / 3)}px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = Math.floor(y); row < y + cells; row += 1) {
    for (let column = Math.floor(x); column < x + cells; column += 1) {
      const i = order[row];
      const j = order[column];
      if (i === undefined || j === undefined) continue;
      const [left, top] = [part.leftOf(column), part.topOf(row)];
      const r = matrix.rAt(i, j);
      context.fillStyle = inkOn(scale.of(r));
      if (matrix.isChanged(i, j)) {
        const corner = Math.min(10, cell * 0.4);
        context.beginPath();
        context.moveTo(left + cell - corner, top);
        context.lineTo(left + cell, top);
        context.lineTo(left + cell, top + corner);
        context.fill();
      }
      if (cell >= LEAST_FOR_NUMBERS) {
        const text = Number.isNaN(r) ? NOTHING : fixed(r, 2);
        context.fillText(text, left + cell / 2, top + cell / 2);
      }
    }
  }
  context.restore();
}

function paintNames(
  context: CanvasRenderingContext2D,
  { matrix, order }: Painted,
  part: PartInSight,
  colour: string,
): void {
  const { cell, x, y, cells, side } = part;
  context.fillStyle = colour;
  context.font = `${Math.min(12, Math.max(9, cell * 0.8))}px ${FONT}`;
  context.textBaseline = "middle";
  const last = Math.min(matrix.size, Math.ceil(Math.max(x, y) + cells));
  for (let k = Math.floor(Math.min(x, y)); k < last; k += 1) {
    const coin = matrix.coins[order[k] ?? -1];
    if (coin === undefined) continue;
    const across = part.leftOf(k + 0.5);
    const below = part.topOf(k + 0.5);
    if (below > GUTTER && below < side) {
      context.textAlign = "right";
      context.fillText(coin, GUTTER - 5, below, GUTTER - 8);
    }
    if (across > GUTTER && across < side) {
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
