/** The bars and indicators of a range: those of an answer, and those that have come since. */

import { decimalsOf } from "../format";
import { INTERVAL_SECONDS, type Answer, type Bar, type Span } from "./bars";
import type { Figures } from "./indicators";

export class HeldBars {
  /** By the start of the bar, in seconds; a bar that came late may stand behind a later one. */
  bars = new Map<number, Bar>();
  figures = new Map<number, Figures>();
  span: Span | null = null;
  completeFrom: number | null = null;

  /** Takes an answer for a whole range in the place of all that is held. */
  begin(span: Span, { bars, completeFrom }: Answer): void {
    this.bars = new Map(bars.map((bar) => [bar.start, bar]));
    this.span = span;
    this.completeFrom = completeFrom;
  }

  beginFigures(found: Figures[]): void {
    this.figures = new Map(found.map((figures) => [figures.start, figures]));
  }

  take(bar: Bar): void {
    if (!this.advance(bar.start)) return;
    this.bars.set(bar.start, bar);
    // While a system starts, candles fill the hours before it.
    if (this.completeFrom !== null) this.completeFrom = Math.min(this.completeFrom, bar.start);
  }

  takeFigures(figures: Figures): void {
    if (this.advance(figures.start)) this.figures.set(figures.start, figures);
  }

  /** The start of the newest bar, -Infinity where there is none. */
  get newest(): number {
    return Math.max(...this.bars.keys());
  }

  get newestFigures(): Figures | null {
    return this.figures.get(Math.max(...this.figures.keys())) ?? null;
  }

  ordered(): Bar[] {
    return [...this.bars.values()].sort((a, b) => a.start - b.start);
  }

  /** Decimals that the closes need. */
  decimals(): number {
    let decimals = 0;
    for (const { close } of this.bars.values()) {
      if (close !== null) decimals = Math.max(decimals, decimalsOf(close));
    }
    return decimals;
  }

  /**
   * Moves the range on so that it holds this bar, and lets go of what lies before it. False for a
   * bar that lies before it itself.
   */
  private advance(start: number): boolean {
    if (!this.span || start < this.span.start) return false;
    const step = start + INTERVAL_SECONDS[this.span.interval] - this.span.end;
    if (step <= 0) return true;
    this.span = { ...this.span, start: this.span.start + step, end: this.span.end + step };
    for (const known of [this.bars, this.figures]) {
      for (const time of known.keys()) if (time < this.span.start) known.delete(time);
    }
    return true;
  }
}
