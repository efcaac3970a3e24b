/** One market's last 15 minutes, second by second. What was not seen stays a hole. */

import type { Reason, Spread } from "../contract";
import { SecondRing } from "../second-ring";

export const HISTORY_SECONDS = 900;

// As long as the gateway calls a line in time.
const ON_ITS_WAY = 5;

export const FIELDS = [
  "bid",
  "ask",
  "spread",
  "spreadBps",
  "meanBps",
  "coverage",
  "baselineBps",
  "baselineSigma",
] as const;
export type Field = (typeof FIELDS)[number];
export type Column = (number | null)[];

/**
 * A run of seconds without a quote. `no figures`: nothing at all was published for them; `not held`:
 * they lie before all that the gateway has.
 */
export interface Hole {
  start: number;
  end: number;
  why: Reason | "no figures" | "not held";
}

export class History {
  private readonly rings = new Map<Field, SecondRing>();
  private readonly reasons: (Reason | null)[] = new Array<Reason | null>(HISTORY_SECONDS).fill(
    null,
  );
  private readonly reasonSeconds = new Float64Array(HISTORY_SECONDS).fill(-1);
  private first = Infinity;
  private newest = -1;

  constructor() {
    for (const field of FIELDS) this.rings.set(field, new SecondRing(HISTORY_SECONDS));
  }

  /** The newest second known, -1 before the first. */
  get end(): number {
    return this.newest;
  }

  take(spread: Spread): void {
    const second = Date.parse(spread.as_of) / 1000;
    if (!Number.isInteger(second)) return;
    const window = spread.windows["15s"];
    const values: Record<Field, number | null> = {
      bid: spread.bid,
      ask: spread.ask,
      spread: spread.spread,
      spreadBps: spread.spread_bps,
      meanBps: window?.mean_bps ?? null,
      coverage: window?.coverage ?? null,
      baselineBps: spread.baseline_bps ?? null,
      baselineSigma: spread.baseline_sigma ?? null,
    };
    for (const field of FIELDS) this.rings.get(field)?.set(second, values[field]);
    const slot = second % HISTORY_SECONDS;
    this.reasons[slot] = spread.reasons["spread_bps"] ?? spread.reasons["bid"] ?? null;
    this.reasonSeconds[slot] = second;
    this.first = Math.min(this.first, second);
    this.newest = Math.max(this.newest, second);
  }

  /** Of the 15 minutes up to `until`, how many seconds have a spread. */
  filled(until: number): number {
    let filled = 0;
    for (let i = 0; i < HISTORY_SECONDS; i += 1) {
      if (this.at("spreadBps", until - i) !== null) filled += 1;
    }
    return filled;
  }

  at(field: Field, second: number): number | null {
    const value = this.rings.get(field)?.get(second) ?? NaN;
    return Number.isNaN(value) ? null : value;
  }

  reasonAt(second: number): Reason | null {
    const slot = ((second % HISTORY_SECONDS) + HISTORY_SECONDS) % HISTORY_SECONDS;
    return this.reasonSeconds[slot] === second ? (this.reasons[slot] ?? null) : null;
  }

  /** The seconds of the 15 minutes up to `until`, and a column of each field asked for. */
  columns(until: number, fields: Field[]): [number[], ...Column[]] {
    const start = until - HISTORY_SECONDS + 1;
    const seconds = Array.from({ length: HISTORY_SECONDS }, (_, i) => start + i);
    return [seconds, ...fields.map((field) => seconds.map((second) => this.at(field, second)))];
  }

  /** The holes of the 15 minutes up to `until`. */
  holes(until: number): Hole[] {
    const holes: Hole[] = [];
    const start = until - HISTORY_SECONDS + 1;
    if (this.first > start) {
      holes.push({ start, end: Math.min(this.first - 1, until), why: "not held" });
    }
    // A market has no row after the first that says why, until it is seen again.
    let last: Hole["why"] = "no figures";
    if (this.newest < start) last = this.reasonAt(this.newest) ?? last;
    for (let second = Math.max(start, this.first); second <= until; second += 1) {
      if (this.at("spreadBps", second) !== null) {
        last = "no figures";
        continue;
      }
      const why: Hole["why"] = this.reasonAt(second) ?? last;
      last = why;
      const open = holes.at(-1);
      if (open?.why === why && open.end === second - 1) open.end = second;
      else holes.push({ start: second, end: second, why });
    }
    // Sources do not wait for each other: this one's newest row may be on its way.
    const newest = holes.at(-1);
    if (newest?.why === "no figures" && newest.start > until - ON_ITS_WAY) holes.pop();
    return holes;
  }
}
