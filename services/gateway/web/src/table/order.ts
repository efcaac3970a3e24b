/** Which markets are shown, and in which order. */

import type { Freshness } from "../freshness";
import type { MarketRow } from "../market-row";
import { COLUMNS, type Column } from "./columns";

export interface Sorting {
  column: string;
  descending: boolean;
}

/** The sorting after a click on a column: its own first direction, then the other one. */
export function clicked(sorting: Sorting, key: string): Sorting {
  if (sorting.column === key) return { column: key, descending: !sorting.descending };
  return { column: key, descending: columnOf(key).descendingFirst };
}

/** Every word must be in the exchange, the coin or the quote currency: "kraken usd". */
export function matches(row: MarketRow, filter: string): boolean {
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => row.words.includes(word));
}

export function ordered(
  rows: Iterable<MarketRow>,
  filter: string,
  sorting: Sorting,
  freshness: (row: MarketRow) => Freshness,
): MarketRow[] {
  const { sortKey } = columnOf(sorting.column);
  const sign = sorting.descending ? -1 : 1;
  const keyed: { row: MarketRow; key: number | string | null }[] = [];
  for (const row of rows) {
    if (matches(row, filter)) keyed.push({ row, key: sortKey(row, freshness) });
  }
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) {
      // Undefined is neither small nor large.
      if (a.key !== b.key) return a.key === null ? 1 : -1;
    } else if (a.key !== b.key) {
      return a.key < b.key ? -sign : sign;
    }
    return a.row.market < b.row.market ? -1 : 1;
  });
  return keyed.map(({ row }) => row);
}

function columnOf(key: string): Column {
  const found = COLUMNS.find((column) => column.key === key) ?? COLUMNS[0];
  if (!found) throw new Error("expected columns, found none");
  return found;
}
