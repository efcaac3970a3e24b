/** The candles of a coin with their indicators: asks for a range, then keeps it up to date. */

import { isFields, type Fields, type Item } from "../contract";
import { LiveText, element } from "../element";
import { Latest } from "../line/rest";
import { Retry } from "../line/retry";
import { Troubles } from "../troubles";
import type { Surroundings } from "../view";
import { barInWords, rangeInWords } from "./bar-words";
import {
  INTERVAL_SECONDS,
  barOf,
  blanksOf,
  fetchBars,
  type Bar,
  type Choice,
  type Span,
} from "./bars";
import { CandleChart } from "./candle-chart";
import { Gathering } from "./gathering";
import { HeldBars } from "./held-bars";
import { IndicatorBar } from "./indicator-bar";
import { fetchIndicators, figuresOf, type Figures } from "./indicators";
import { RangeBar, type Kept } from "./range-bar";

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
  private readonly troubles = new Troubles(["bars", "indicators"] as const);
  private readonly askBars = new Latest();
  private readonly askIndicators = new Latest();
  private readonly retry = new Retry(() => this.ask());
  private readonly chart: CandleChart;
  private readonly held = new HeldBars();
  private choice: Choice | null = null;
  private markets: string[] = [];
  private unsubscribe: (() => void)[] = [];
  private readonly gathering = new Gathering((oldest) => this.askFrom(oldest));
  private pointedAt: number | null = null;
  private paintedEpoch: number;
  private dirty = false;
  private decimals = 2;

  constructor(private readonly around: Surroundings) {
    this.ranges = new RangeBar(kept.range, () => this.load(), around.present);
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
      this.troubles.node,
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
    this.troubles.tell("bars", "Asking for bars…");
    this.ask();
  }

  private ask(): void {
    const { choice } = this;
    const span = this.ranges.span();
    this.follow(null);
    this.retry.cancel();
    if (!choice || !span) {
      this.troubles.tell("bars", "");
      return;
    }
    this.host.setAttribute("aria-busy", "true");
    this.askBars.run(
      (signal) => fetchBars(this.around.rest, choice, span, signal),
      (answer) => {
        this.host.setAttribute("aria-busy", "false");
        this.troubles.tell("bars", "");
        this.retry.succeeded();
        this.held.begin(span, answer);
        this.changed();
      },
      (words) => {
        this.host.setAttribute("aria-busy", "false");
        this.held.begin(span, { bars: [], completeFrom: null });
        this.troubles.tell("bars", `No bars: ${words}`);
        if (this.ranges.isLive) this.retry.failed();
        this.changed();
      },
    );
    this.askIndicators.run(
      (signal) => fetchIndicators(this.around.rest, choice, span, signal),
      (found) => {
        this.troubles.tell("indicators", "");
        this.held.beginFigures(found);
        this.changed();
      },
      (words) => {
        this.held.beginFigures([]);
        this.troubles.tell("indicators", `No indicators: ${words}`);
        this.changed();
      },
    );
    if (this.ranges.isLive) this.follow(span);
  }

  take(items: Item[]): void {
    const { choice } = this;
    const { span } = this.held;
    if (!span || !choice || this.unsubscribe.length === 0) return;
    for (const { channel, key, data } of items) {
      if (channel !== "bars" && channel !== "indicators") continue;
      const [market = "", interval] = key.split("|");
      if (interval !== span.interval || !this.markets.includes(market) || !isFields(data)) continue;
      if (choice.exchange === null) this.gathering.add(startOf(channel, data, span));
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
    this.retry.cancel();
    this.askBars.cancel();
    this.askIndicators.cancel();
    this.chart.destroy();
  }

  private follow(span: Span | null): void {
    this.gathering.cancel();
    for (const unsubscribe of this.unsubscribe) unsubscribe();
    this.unsubscribe = [];
    if (!span || this.markets.length === 0) return;
    const keys = this.markets.map((market) => `${market}|${span.interval}`);
    const length = INTERVAL_SECONDS[span.interval];
    const resume = () => {
      const { newest } = this.held;
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
  private askFrom(oldest: number): boolean {
    // The whole range is still asked for: a part of it must not take the place of that answer.
    if (this.askBars.busy || this.askIndicators.busy) return false;
    const { choice } = this;
    const { span } = this.held;
    if (!choice || !span) return true;
    const from = Math.min(oldest, span.end - 5 * INTERVAL_SECONDS[span.interval]);
    const end = this.ranges.span()?.end ?? span.end;
    const tail: Span = { ...span, start: Math.max(span.start, from), end };
    this.askBars.run(
      (signal) => fetchBars(this.around.rest, choice, tail, signal),
      ({ bars }) => {
        this.troubles.tell("bars", "");
        bars.forEach((bar) => this.takeBar(bar));
      },
      (words) => this.troubles.tell("bars", `No newer bars: ${words}`),
    );
    this.askIndicators.run(
      (signal) => fetchIndicators(this.around.rest, choice, tail, signal),
      (found) => {
        this.troubles.tell("indicators", "");
        found.forEach((figures) => this.takeFigures(figures));
      },
      (words) => this.troubles.tell("indicators", `No newer indicators: ${words}`),
    );
    return true;
  }

  private takeBar(bar: Bar | null): void {
    if (bar) this.held.take(bar);
    this.changed();
  }

  private takeFigures(figures: Figures | null): void {
    if (figures) this.held.takeFigures(figures);
    this.changed();
  }

  private changed(): void {
    this.dirty = true;
    this.around.request();
  }

  private draw(): void {
    this.dirty = false;
    const { bars, span, completeFrom } = this.held;
    if (!span) return;
    this.decimals = this.held.decimals();
    this.chart.show(bars, span, blanksOf(this.held.ordered(), span, completeFrom));
    this.drawIndicators();
    this.note.set(rangeInWords(this.held, this.ranges.isLive));
  }

  private drawIndicators(): void {
    const { span, figures, newestFigures } = this.held;
    this.indicators.show(newestFigures, this.decimals);
    if (span) this.chart.showIndicators(this.indicators.shown, figures, span);
  }

  private showReadout(): void {
    const at = this.pointedAt ?? this.held.newest;
    const isOne = Number.isFinite(at);
    this.readout.set(isOne ? barInWords(this.held.bars.get(at), at, this.decimals) : "");
  }
}

/** When the bar begins that something came of. */
function startOf(channel: string, fields: Fields, span: Span): number {
  const start = channel === "bars" ? barOf(fields)?.start : figuresOf(fields, span)?.start;
  return start ?? Infinity;
}
