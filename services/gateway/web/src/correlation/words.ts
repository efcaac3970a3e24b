/** A cell, and a matrix, in words. */

import { NOTHING, fixed, mark, percent, utcDateTime } from "../format";
import { explainFigure } from "../reasons";
import type { Cell, Matrix } from "./matrix";

export function correlation(value: number | null): string {
  return value === null ? NOTHING : fixed(value, 3);
}

export function count(value: number | null): string {
  return value === null ? NOTHING : mark(value, value < 100 && !Number.isInteger(value) ? 0.1 : 1);
}

export function interval({ low, high }: Pick<Cell, "low" | "high">): string {
  return low === null || high === null ? NOTHING : `${fixed(low, 3)} to ${fixed(high, 3)}`;
}

export function sentence(cell: Cell): string {
  const parts = [`${cell.a} – ${cell.b}`, `r ${correlation(cell.r)}`];
  if (cell.reason) parts.push(explainFigure(cell.reason));
  if (cell.low !== null) parts.push(`95 %: ${interval(cell)}`);
  parts.push(`n ${count(cell.n)}`, `effective n ${count(cell.nEffective)}`);
  if (cell.changed) parts.push("changed against the longer window");
  return parts.join("  ·  ");
}

/** What a matrix is of, and what it rests on. */
export function matrixInWords(matrix: Matrix): string {
  const parts = [
    `${matrix.table}, ${matrix.size} coins, as of ` +
      (Number.isFinite(matrix.asOf)
        ? `${utcDateTime(matrix.asOf * 1000)} UTC.`
        : "an unknown time."),
  ];
  if (matrix.isDelayed) parts.push("Cointide's own line is late: this is old.");
  else if (matrix.stale.length) parts.push(`No price now: ${matrix.stale.join(", ")}.`);
  if (matrix.masked.length)
    parts.push(`Made without ${matrix.masked.join(", ")}, which came late.`);
  if (matrix.restShare !== null)
    parts.push(`${percent(matrix.restShare)} of the returns from candles.`);
  if (matrix.against) {
    parts.push(`${matrix.changedPairs.length} pairs have changed against ${matrix.against}.`);
  }
  if (matrix.repaired) parts.push("Repaired to be positive semi-definite.");
  return parts.join(" ");
}
