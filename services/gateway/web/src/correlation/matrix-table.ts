/** The same figures as a table of text, where there are few enough to read. */

import { element } from "../element";
import { explainFigure } from "../reasons";
import type { Matrix } from "./matrix";
import { correlation } from "./words";

export const READABLE_COINS = 20;

export function matrixTable(matrix: Matrix, order: number[]): HTMLElement {
  const table = element("table", { class: "matrix-table" });
  table.append(element("caption", { class: "unseen" }, `Correlations, ${matrix.table}`));
  const heads = order.map((j) => element("th", { scope: "col" }, matrix.coins[j] ?? ""));
  table.append(element("thead", {}, element("tr", {}, element("td"), ...heads)));
  const body = element("tbody");
  for (const i of order) {
    const row = element("tr", {}, element("th", { scope: "row" }, matrix.coins[i] ?? ""));
    for (const j of order) {
      const { r, reason, changed } = matrix.cell(i, j);
      const cell = element("td", { class: "numeric" }, correlation(r));
      if (reason) {
        cell.title = explainFigure(reason);
        cell.append(element("span", { class: "unseen" }, ` ${reason}`));
      }
      if (changed) cell.append(element("span", { title: "changed" }, "*"));
      row.append(cell);
    }
    body.append(row);
  }
  table.append(body);
  return table;
}
