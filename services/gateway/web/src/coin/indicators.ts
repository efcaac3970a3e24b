/** The indicators that can be switched on, and their figures as the interface gives them. */

import { numberOf, reasonsOf, secondsOf, type Fields, type Reason } from "../contract";
import { isoOf, type Rest } from "../line/rest";
import { INTERVAL_SECONDS, type Choice, type Span } from "./bars";

export interface Indicator {
  id: string;
  name: string;
  /** One field is one line. */
  fields: string[];
  /** The custom property of its colour. */
  colour: string;
  /** On the candles, or in a pane of its own below them. */
  place: "price" | "pane";
  kind: "price" | "number" | "percent";
  /** From how many bars in a row on it is defined. */
  from: number;
}

export const INDICATORS: Indicator[] = [
  {
    id: "sma",
    name: "SMA 20",
    fields: ["sma_20"],
    colour: "line-1",
    place: "price",
    kind: "price",
    from: 20,
  },
  {
    id: "ema",
    name: "EMA 20",
    fields: ["ema_20"],
    colour: "line-2",
    place: "price",
    kind: "price",
    from: 20,
  },
  {
    id: "bollinger",
    name: "Bollinger",
    fields: ["bollinger_upper", "bollinger_lower"],
    colour: "line-3",
    place: "price",
    kind: "price",
    from: 20,
  },
  {
    id: "vwap",
    name: "VWAP 20",
    fields: ["vwap_20"],
    colour: "line-4",
    place: "price",
    kind: "price",
    from: 20,
  },
  {
    id: "rsi",
    name: "RSI 14",
    fields: ["rsi_14"],
    colour: "line-1",
    place: "pane",
    kind: "number",
    from: 15,
  },
  {
    id: "atr",
    name: "ATR 14",
    fields: ["atr_14"],
    colour: "line-2",
    place: "pane",
    kind: "price",
    from: 15,
  },
  {
    id: "volatility",
    name: "Volatility",
    fields: ["realised_volatility"],
    colour: "line-3",
    place: "pane",
    kind: "percent",
    from: 61,
  },
];

/** The indicators of one bar. */
export interface Figures {
  /** Of the bar, in seconds since the epoch. */
  start: number;
  n: number | null;
  values: Map<string, number | null>;
  reasons: Record<string, Reason>;
}

export function figuresOf(fields: Fields, span: Pick<Span, "interval">): Figures | null {
  const end = secondsOf(fields["as_of"]);
  if (!Number.isFinite(end)) return null;
  const values = new Map<string, number | null>();
  for (const { fields: names } of INDICATORS) {
    for (const name of names) values.set(name, numberOf(fields[name]));
  }
  return {
    start: end - INTERVAL_SECONDS[span.interval],
    n: numberOf(fields["n"]),
    values,
    reasons: reasonsOf(fields),
  };
}

export async function fetchIndicators(
  rest: Rest,
  { coin, quote, exchange }: Choice,
  span: Span,
  signal: AbortSignal,
): Promise<Figures[]> {
  const { start, end, interval } = span;
  // A figure is of the end of its bar, and `end` itself is left out of a range.
  const length = INTERVAL_SECONDS[interval];
  const { data } = await rest.list(
    `/v1/coins/${encodeURIComponent(coin)}/indicators`,
    { interval, quote, exchange, start: isoOf(start + length), end: isoOf(end + length) },
    signal,
  );
  return data.map((fields) => figuresOf(fields, span)).filter((figures) => figures !== null);
}
