/** The candles of a coin with their indicators: asks for a range, then keeps it up to date. */

import { isFields, type Fields, type Item } from "../contract";
import { LiveText, element } from "../element";
import { NOTHING, decimalsOf, fixed, percent, utcDateTime } from "../format";
import { Latest } from "../line/rest";
import { explain } from "../reasons";
import type { Surroundings } from "../view";
import {
  INTERVAL_SECONDS,
  ORIGINS,
  barOf,
  blanksOf,
  fetchBars,
  isUnseen,
  type Bar,
  type Choice,
  type Span,
} from "./bars";
import { CandleChart } from "./candle-chart";
import { IndicatorBar } from "./indicator-bar";
import { fetchIndicators, figuresOf, type Figures } from "./indicators";
import { RangeBar, type Kept } from "./range-bar";

// The bars of several exchanges' minutes come within this of each other.
const GATHER_MS = 1_200;
const ASKING = "Asking for bars…";

const kept: { range: Kept; on: Set<string> } = {
  range: { preset: "6h", from: "", to: "" },
  on: new Set(["sma"]),
};

export class CandlePanel {
  readonly node = element("section", { class: "panel candle-panel", "aria-label": "Candles" });
  readonly ranges: RangeBar;
  private readonly indicators = new IndicatorBar(kept.on, () => this.drawIndicators());
  private readonly host = element("div", {
    class: "candles",
    role: "img",
    "aria-label": "Candles and volume",
    "aria-describedby": "candles-note",
  });
  private readonly readout = new LiveText(element("p", { class: "ohlc", "aria-live": "off" }));
  private readonly note = new LiveText(element("p", { id: "candles-note", class: "chart-note" }));
  private readonly trouble = new LiveText(element("p", { class: "answer", role: "status" }));
  private readonly askBars = new Latest();
  private readonly askIndicators = new Latest();
  private readonly chart: CandleChart;
  private bars = new Map<number, Bar>();
  private figures = new Map<number, Figures>();
  private choice: Choice | null = null;
  private markets: string[] = [];
  private span: Span | null = null;
  private completeFrom: number | null = null;
  private unsubscribe: (() => void)[] = [];
  private gathering = 0;
  private gatheredFrom = Infinity;
  private pointedAt: number | null = null;
  private paintedEpoch: number;
  private dirty = false;
  private decimals = 2;

  constructor(private readonly around: Surroundings) {
    const now = () => around.book.newestAsOf || around.clock.now() / 1000;
    this.ranges = new RangeBar(kept.range, () => this.load(), now);
    this.paintedEpoch = around.theme.epoch;
    const legend = element("p", { class: "legend" });
    legend.append(
      element("span", { class: "swatch-live" }, "from live trades"),
      element("span", { class: "swatch-rest" }, "paler: from the exchange's candles, or in part"),
      element("span", { class: "swatch-capture" }, "hollow: from a capture, not live"),
      element("span", { class: "swatch-blank" }, "not seen or not held"),
    );
    this.node.append(
      this.readout.host,
      this.host,
      legend,
      this.note.host,
      this.trouble.host,
      this.indicators.node,
    );
    this.indicators.show(null, this.decimals);
    this.chart = new CandleChart(this.host, around.theme, (start) => {
      this.pointedAt = start;
      this.around.request();
    });
  }

  /** `markets` are those whose bars make up what is shown. */
  choose(choice: Choice, markets: string[]): void {
    this.choice = choice;
    this.markets = markets;
    this.load();
  }

  /** Asks anew for all that is shown, as after a lost connection. */
  load(): void {
    const { choice } = this;
    const span = this.ranges.span();
    this.follow(null);
    if (!choice || !span) return;
    this.trouble.set(ASKING);
    this.host.setAttribute("aria-busy", "true");
    this.askBars.run(
      (signal) => fetchBars(this.around.rest, choice, span, signal),
      ({ bars, completeFrom }) => {
        this.host.setAttribute("aria-busy", "false");
        if (this.trouble.text === ASKING) this.trouble.set("");
        this.bars = new Map(bars.map((bar) => [bar.start, bar]));
        this.span = span;
        this.completeFrom = completeFrom;
        this.changed();
      },
      (words) => {
        this.host.setAttribute("aria-busy", "false");
        this.bars.clear();
        this.span = span;
        this.completeFrom = null;
        this.trouble.set(`No bars: ${words}`);
        this.changed();
      },
    );
    this.askIndicators.run(
      (signal) => fetchIndicators(this.around.rest, choice, span, signal),
      (found) => {
        this.figures = new Map(found.map((figures) => [figures.start, figures]));
        this.changed();
      },
      (words) => {
        this.figures.clear();
        this.trouble.set(`No indicators: ${words}`);
        this.changed();
      },
    );
    if (this.ranges.isLive) this.follow(span);
  }

  take(items: Item[]): void {
    const { span, choice } = this;
    if (!span || !choice || this.unsubscribe.length === 0) return;
    for (const { channel, key, data } of items) {
      if (channel !== "bars" && channel !== "indicators") continue;
      const [market = "", interval] = key.split("|");
      if (interval !== span.interval || !this.markets.includes(market) || !isFields(data)) continue;
      if (choice.exchange === null) this.gather(startOf(channel, data, span));
      else if (channel === "bars") this.takeBar(barOf(data));
      else this.takeFigures(figuresOf(data, span));
    }
  }

  render(): void {
    const { theme } = this.around;
    if (this.paintedEpoch !== theme.epoch) {
      this.paintedEpoch = theme.epoch;
      this.chart.paint();
      this.dirty = true;
    }
    if (this.dirty) this.draw();
    this.showReadout();
  }

  close(): void {
    this.follow(null);
    this.askBars.cancel();
    this.askIndicators.cancel();
    this.chart.destroy();
  }

  private follow(span: Span | null): void {
    window.clearTimeout(this.gathering);
    this.gathering = 0;
    this.gatheredFrom = Infinity;
    for (const unsubscribe of this.unsubscribe) unsubscribe();
    this.unsubscribe = [];
    if (!span || this.markets.length === 0) return;
    const keys = this.markets.map((market) => `${market}|${span.interval}`);
    const length = INTERVAL_SECONDS[span.interval];
    const resume = () => {
      const newest = Math.max(...this.bars.keys());
      if (!Number.isFinite(newest)) return undefined;
      return Object.fromEntries(keys.map((key) => [key, newest / length]));
    };
    this.unsubscribe = [
      this.around.stream.add({ channel: "bars", keys, resume }),
      this.around.stream.add({ channel: "indicators", keys }),
    ];
  }

  /**
   * Bars of several exchanges are merged by the gateway alone: asks once for all that came, from
   * the oldest on, since candles fill hours at once.
   */
  private gather(start: number): void {
    this.gatheredFrom = Math.min(this.gatheredFrom, start);
    if (this.gathering) return;
    this.gathering = window.setTimeout(() => {
      this.gathering = 0;
      // The whole range is still asked for: a part of it must not take the place of that answer.
      if (this.askBars.busy || this.askIndicators.busy) return this.gather(start);
      const { choice, span } = this;
      if (!choice || !span) return;
      const length = INTERVAL_SECONDS[span.interval];
      const now = this.ranges.span()?.end ?? span.end;
      const from = Math.min(this.gatheredFrom, span.end - 5 * length);
      const tail: Span = { ...span, start: Math.max(span.start, from), end: now };
      this.gatheredFrom = Infinity;
      this.askBars.run(
        (signal) => fetchBars(this.around.rest, choice, tail, signal),
        ({ bars }) => bars.forEach((bar) => this.takeBar(bar)),
        (words) => this.trouble.set(`No newer bars: ${words}`),
      );
      this.askIndicators.run(
        (signal) => fetchIndicators(this.around.rest, choice, tail, signal),
        (found) => found.forEach((figures) => this.takeFigures(figures)),
        (words) => this.trouble.set(`No newer indicators: ${words}`),
      );
    }, GATHER_MS);
  }

  private takeBar(bar: Bar | null): void {
    if (!bar || !this.span) return;
    this.bars.set(bar.start, bar);
    this.advance(bar.start);
  }

  private takeFigures(figures: Figures | null): void {
    if (!figures || !this.span) return;
    this.figures.set(figures.start, figures);
    this.advance(figures.start);
  }

  /** Moves the range on so that it holds this bar, and lets go of what lies before it. */
  private advance(start: number): void {
    if (!this.span) return;
    const length = INTERVAL_SECONDS[this.span.interval];
    const step = Math.max(0, start + length - this.span.end);
    if (step > 0) {
      this.span = { ...this.span, start: this.span.start + step, end: this.span.end + step };
      for (const known of [this.bars, this.figures]) {
        for (const time of known.keys()) if (time < this.span.start) known.delete(time);
      }
    }
    this.changed();
  }

  private changed(): void {
    this.dirty = true;
    this.around.request();
  }

  private draw(): void {
    this.dirty = false;
    if (!this.span) return;
    this.decimals = 0;
    for (const { close } of this.bars.values()) {
      if (close !== null) this.decimals = Math.max(this.decimals, decimalsOf(close));
    }
    const ordered = [...this.bars.values()].sort((a, b) => a.start - b.start);
    this.bars = new Map(ordered.map((bar) => [bar.start, bar]));
    this.chart.show(this.bars, this.span, blanksOf(ordered, this.span, this.completeFrom));
    this.drawIndicators();
    this.note.set(this.describe(ordered, this.span));
  }

  private drawIndicators(): void {
    const newest = Math.max(...this.figures.keys());
    this.indicators.show(this.figures.get(newest) ?? null, this.decimals);
    if (this.span) this.chart.showIndicators(this.indicators.shown, this.figures, this.span);
  }

  private showReadout(): void {
    const at = this.pointedAt ?? Math.max(...this.bars.keys());
    const bar = this.bars.get(at);
    if (!bar) {
      this.readout.set(Number.isFinite(at) ? `${utcDateTime(at * 1000)} UTC  nothing held` : "");
      return;
    }
    const price = (value: number | null) =>
      value === null ? NOTHING : fixed(value, this.decimals);
    const { open, high, low, close, volume, n, coverage, source, reason } = bar;
    const parts = [
      `${utcDateTime(at * 1000).slice(0, 16)} UTC`,
      `O ${price(open)}  H ${price(high)}  L ${price(low)}  C ${price(close)}`,
      `volume ${volume === null ? NOTHING : fixed(volume, volume < 1_000 ? 4 : 0)}`,
      n === null ? "" : `${n} trades`,
      coverage === null ? "" : `seen ${percent(coverage)}`,
      source === "live" ? "" : ORIGINS[source].one,
      close === null && reason ? explain(reason) : "",
    ];
    this.readout.set(parts.filter(Boolean).join("  ·  "));
  }

  private describe(bars: Bar[], span: Span): string {
    const { interval, start, end } = span;
    const moment = (seconds: number) => `${utcDateTime(seconds * 1000).slice(0, 16)}`;
    const parts = [`${moment(start)} to ${moment(end)} UTC, bars of ${interval}.`];
    if (this.completeFrom !== null && this.completeFrom > start) {
      parts.push(`Held from ${moment(this.completeFrom)} on; what lies before is empty.`);
    }
    const drawn = bars.filter(({ close }) => close !== null);
    const others = Object.entries(ORIGINS).map(([origin, { many }]) => {
      const count = drawn.filter(({ source }) => source === origin).length;
      return count ? `, ${count} of them ${many}` : "";
    });
    parts.push(`${drawn.length} with trades${others.join("")}.`);
    const unseen = bars.filter(isUnseen);
    if (unseen.length) {
      const reasons = new Set(
        unseen.map(({ reason }) => (reason ? explain(reason) : "no reason told")),
      );
      parts.push(`${unseen.length} not seen (${[...reasons].join("; ")}).`);
    }
    if (this.ranges.isLive && bars.at(-1)?.isDelayed) parts.push("The next bar is late.");
    return parts.join(" ");
  }
}

/** When the bar begins that something came of. */
function startOf(channel: string, fields: Fields, span: Span): number {
  const start = channel === "bars" ? barOf(fields)?.start : figuresOf(fields, span)?.start;
  return start ?? Infinity;
}
