/** The columns of the table: what each is called, what it sorts by, and why it may be empty. */

import { STANDINGS, type Freshness } from "../freshness";
import type { MarketRow } from "../market-row";

export interface Column {
  key: string;
  title: string;
  explanation: string;
  numeric: boolean;
  /** What rows are sorted by; null goes last whichever way the column is sorted. */
  sortKey: (row: MarketRow, freshness: (row: MarketRow) => Freshness) => number | string | null;
  /** What a first click means: the widest spread is asked for more often than the tightest. */
  descendingFirst: boolean;
}

function column(
  key: string,
  title: string,
  explanation: string,
  sortKey: Column["sortKey"],
  options: { text?: boolean; descendingFirst?: boolean } = {},
): Column {
  return {
    key,
    title,
    explanation,
    sortKey,
    numeric: !options.text,
    descendingFirst: options.descendingFirst ?? false,
  };
}

const down = { descendingFirst: true };

export const COLUMNS: Column[] = [
  column(
    "market",
    "Market",
    "Coin and quote currency; sorts by the coin's rank",
    // Filled up so that ranks compare as text beside the names.
    (row) =>
      `${String(Math.min(row.rank, 999_999)).padStart(6, "0")} ${row.coin} ${row.pair} ${row.exchange}`,
    { text: true },
  ),
  column("exchange", "Exchange", "Where the market is", (row) => row.exchange, { text: true }),
  column("bid", "Bid", "Best bid of the newest quote", (row) => row.bid, down),
  column("ask", "Ask", "Best ask of the newest quote", (row) => row.ask, down),
  column("spread", "Spread", "Ask − bid, in the quote currency", (row) => row.spreadNow, down),
  column("bps", "bps", "Spread in basis points of the mid", (row) => row.spreadBps, down),
  column(
    "mean",
    "15 s mean",
    "Mean spread of the last 15 s, in basis points, weighted by time",
    (row) => row.meanBps,
    down,
  ),
  column(
    "against",
    "Now / mean",
    "The spread of now against its 15 s mean: the bar goes right where it is wider",
    (row) => row.againstMean,
    down,
  ),
  column("spark", "Last 3 min", "Spread in basis points over the last three minutes", () => null, {
    text: true,
  }),
  column("coverage", "Seen", "Share of the last 15 s that could be seen", (row) => row.coverage),
  column("n", "n", "Quotes in the last 15 s", (row) => row.observations, down),
  column(
    "state",
    "State",
    "Whether the figures are of this moment, and how old they are",
    (row, freshness) => STANDINGS.indexOf(freshness(row).standing),
    { text: true },
  ),
];

export const SORTABLE = COLUMNS.filter(({ key }) => key !== "spark");
