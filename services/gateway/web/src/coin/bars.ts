/** Bars as the interface gives them, and how many of which length a span of time asks for. */

import { numberOf, reasonsOf, secondsOf, type Fields, type Reason } from "../contract";
import { isoOf, type Rest } from "../line/rest";

export const INTERVAL_SECONDS = { "1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400 } as const;
export type Interval = keyof typeof INTERVAL_SECONDS;

export type BarSource = "live" | "rest" | "capture" | "mixed";

/** Where bars that are not live come from, in words: of one bar, and of many. */
export const ORIGINS: Record<Exclude<BarSource, "live">, { one: string; many: string }> = {
  rest: { one: "from the exchange's candles", many: "from candles" },
  capture: { one: "from a capture, not live", many: "from captures" },
  mixed: { one: "in part not live", many: "in part not live" },
};

export interface Bar {
  /** Seconds since the epoch. */
  start: number;
  open: number | null;
  high: number | null;
  low: number | null;
  close: number | null;
  volume: number | null;
  n: number | null;
  coverage: number | null;
  source: BarSource;
  reason: Reason | null;
  /** The next one should have come by now. */
  isDelayed: boolean;
}

/** A stretch of time and the length of its bars. */
export interface Span {
  start: number;
  end: number;
  interval: Interval;
}

export interface Preset {
  id: string;
  name: string;
  seconds: number;
  interval: Interval;
}

export const PRESETS: Preset[] = [
  { id: "1h", name: "1 h", seconds: 3_600, interval: "1m" },
  { id: "6h", name: "6 h", seconds: 21_600, interval: "1m" },
  { id: "24h", name: "24 h", seconds: 86_400, interval: "5m" },
  { id: "7d", name: "7 d", seconds: 604_800, interval: "1h" },
];

// More candles than this are thinner than a pixel is wide.
const BARS_AT_MOST = 800;

/** The shortest bars that a span does not have too many of. */
export function intervalOf(seconds: number): Interval {
  const intervals = Object.keys(INTERVAL_SECONDS) as Interval[];
  return intervals.find((each) => seconds / INTERVAL_SECONDS[each] <= BARS_AT_MOST) ?? "1d";
}

/** Whole bars: from the one that holds `start` to the one that holds the moment before `end`. */
export function aligned(start: number, end: number, interval: Interval): Span {
  const length = INTERVAL_SECONDS[interval];
  return {
    start: Math.floor(start / length) * length,
    end: Math.ceil(end / length) * length,
    interval,
  };
}

export interface Choice {
  coin: string;
  quote: string;
  /** Null: all exchanges together. */
  exchange: string | null;
}

export interface Answer {
  bars: Bar[];
  /** From when on bars are held, where that is later than the span's start; Infinity: none are. */
  completeFrom: number | null;
}

export async function fetchBars(
  rest: Rest,
  { coin, quote, exchange }: Choice,
  { start, end, interval }: Span,
  signal: AbortSignal,
): Promise<Answer> {
  const { data, first } = await rest.list(
    `/v1/coins/${encodeURIComponent(coin)}/bars`,
    { interval, quote, exchange, start: isoOf(start), end: isoOf(end) },
    signal,
  );
  const told = secondsOf(first["complete_from"]);
  const from = Number.isNaN(told) ? Infinity : told;
  const bars = data.map(barOf).filter((bar) => bar !== null);
  return { bars, completeFrom: from > start ? from : null };
}

export function barOf(fields: Fields): Bar | null {
  const start = secondsOf(fields["start"]);
  if (!Number.isInteger(start)) return null;
  const source = fields["source"];
  return {
    start,
    open: numberOf(fields["open"]),
    high: numberOf(fields["high"]),
    low: numberOf(fields["low"]),
    close: numberOf(fields["close"]),
    volume: numberOf(fields["volume"]),
    n: numberOf(fields["n"]),
    coverage: numberOf(fields["coverage"]),
    // What this page does not know is not shown as live.
    source: source === "live" || source === "rest" || source === "capture" ? source : "mixed",
    reason: reasonsOf(fields)["close"] ?? null,
    isDelayed: reasonsOf(fields)["as_of"] === "line_delayed",
  };
}

/** Whether nothing of a bar's time was seen, so that its prices are unknown, not unmoved. */
export function isUnseen(bar: Bar): boolean {
  return bar.close === null && bar.reason !== "no_trades";
}

/** A run of time with nothing to draw in it, and the words for it. */
export interface Blank {
  start: number;
  end: number;
  label: string;
}

/** What of a span is not held, and what was not seen; time without a trade is neither. */
export function blanksOf(bars: Iterable<Bar>, span: Span, completeFrom: number | null): Blank[] {
  const length = INTERVAL_SECONDS[span.interval];
  const blanks: Blank[] = [];
  if (completeFrom !== null && completeFrom > span.start) {
    blanks.push({ start: span.start, end: Math.min(completeFrom, span.end), label: "not held" });
  }
  for (const bar of bars) {
    if (!isUnseen(bar) || bar.start < span.start || bar.start >= span.end) continue;
    const label = bar.reason ?? "not seen";
    const last = blanks.at(-1);
    if (last && last.end === bar.start && last.label === label) last.end += length;
    else blanks.push({ start: bar.start, end: bar.start + length, label });
  }
  return blanks;
}
