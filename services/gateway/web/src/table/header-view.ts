/** The table's header: a button a column and, for narrow screens, the same as a select. */

import { element } from "../element";
import { COLUMNS, SORTABLE } from "./columns";
import { clicked, type Sorting } from "./order";

export class HeaderView {
  readonly node = element("div", { role: "rowgroup", class: "head" });
  readonly select = element("select", { "aria-label": "Sort by" });
  private readonly cells = new Map<string, HTMLElement>();
  private sorting: Sorting = { column: "market", descending: false };

  constructor(changed: (sorting: Sorting) => void) {
    const row = element("div", { role: "row", class: "row", "aria-rowindex": "1" });
    for (const { key, title, explanation, numeric } of COLUMNS) {
      const cell = element("div", {
        role: "columnheader",
        class: `cell ${key}${numeric ? " numeric" : ""}`,
        title: explanation,
      });
      if (SORTABLE.some((column) => column.key === key)) {
        const button = element("button", { type: "button" }, title);
        button.addEventListener("click", () => changed(clicked(this.sorting, key)));
        cell.append(button);
      } else {
        cell.append(title);
      }
      this.cells.set(key, cell);
      row.append(cell);
    }
    this.node.append(row);
    for (const { key, title, descendingFirst } of SORTABLE) {
      const directions = descendingFirst ? [true, false] : [false, true];
      for (const descending of directions) {
        const value = `${key} ${descending ? "descending" : "ascending"}`;
        this.select.append(element("option", { value }, `${title} ${descending ? "↓" : "↑"}`));
      }
    }
    this.select.addEventListener("change", () => {
      const [column = "market", direction] = this.select.value.split(" ");
      changed({ column, descending: direction === "descending" });
    });
  }

  show(sorting: Sorting): void {
    this.sorting = sorting;
    const direction = sorting.descending ? "descending" : "ascending";
    for (const [key, cell] of this.cells) {
      if (key === sorting.column) cell.setAttribute("aria-sort", direction);
      else cell.removeAttribute("aria-sort");
    }
    // An open list would close under the finger if it were written at every sorting.
    const value = `${sorting.column} ${direction}`;
    if (this.select.value !== value) this.select.value = value;
  }
}
