/** One market: its last 15 minutes as two plots, and the figures at the crosshair or of now. */

import { isSpread, type Item } from "../contract";
import { part } from "../element";
import { freshnessOf, type Circumstances } from "../freshness";
import { utcTime } from "../format";
import type { ServerClock } from "../line/clock";
import { Stream, type LineState } from "../line/stream";
import type { MarketBook } from "../market-book";
import { MarketRow } from "../market-row";
import { explain } from "../reasons";
import type { Theme } from "../theme";
import { HISTORY_SECONDS, History, type Hole } from "./history";
import { Plot, PRICE_SPEC, SPREAD_SPEC } from "./plot";
import { Readout } from "./readout";

// The gateway keeps 15 minutes; asked for to the second, the oldest would be gone on arrival.
const RESUME_SECONDS = HISTORY_SECONDS - 8;

export class ChartView {
  private readonly history = new History();
  private readonly row: MarketRow;
  private readonly readout: Readout;
  private readonly resized = new ResizeObserver(() => this.plots.forEach((plot) => plot.resize()));
  private plots: Plot[] = [];
  private plottedEpoch = -1;
  private drawn = "";
  private pointedAt: number | null = null;
  private stream: Stream | null = null;
  private line: LineState = "connecting";
  private refused = "";

  constructor(
    readonly market: string,
    private readonly address: string,
    private readonly book: MarketBook,
    private readonly clock: ServerClock,
    private readonly key: () => string | null,
    private readonly theme: Theme,
    private readonly request: () => void,
  ) {
    this.row = new MarketRow(market);
    part("chart-pair").textContent = this.row.pair;
    part("chart-exchange").textContent = this.row.exchange;
    this.readout = new Readout(part("readout"), this.row.quoteCurrency);
    this.resized.observe(part("price-plot"));
    this.resized.observe(part("spread-plot"));
  }

  render(circumstances: Circumstances): void {
    // Where event time stands is known from the table's first rows; 2024 in a replay of 2024.
    if (!this.stream && this.book.newestAsOf > 0) this.open();
    const until = Math.max(this.history.end, this.book.newestAsOf);
    const row = this.book.rows.get(this.market) ?? this.row;
    const freshness = freshnessOf(row, circumstances);
    this.readout.badge(freshness);
    this.readout.feed(row.feed);
    if (this.pointedAt === null) this.readout.now(row);
    else this.readout.at(this.history, this.pointedAt, row.decimals);
    if (until <= 0) {
      part("chart-note").textContent = "Waiting for the first figures…";
      return;
    }
    this.draw(until);
  }

  close(): void {
    this.stream?.close();
    this.resized.disconnect();
    this.plots.forEach((plot) => plot.destroy());
    this.plots = [];
  }

  private open(): void {
    const resume = () => {
      const oldest = this.book.newestAsOf - RESUME_SECONDS;
      return { [this.market]: Math.max(oldest, this.history.end) };
    };
    // A connection of its own: on the table's the hub has sent this market's newest already,
    // and sends nothing that is older.
    this.stream = new Stream(
      this.address,
      [{ channel: "spreads", keys: [this.market], resume }],
      this.clock,
      this.key,
      {
        items: (items) => this.take(items),
        state: (state) => {
          this.line = state;
          this.request();
        },
        error: (code, detail) => {
          this.refused = code === "unknown_key" ? `No market ${this.market} here.` : detail;
          this.request();
        },
      },
    );
  }

  private take(items: Item[]): void {
    for (const { channel, key, data } of items) {
      if (channel === "spreads" && key === this.market && isSpread(data)) this.history.take(data);
    }
    this.request();
  }

  private draw(until: number): void {
    const drawn = `${until} ${this.history.end} ${this.theme.epoch} ${this.history.filled} ${this.line}`;
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    this.build();
    const holes = this.history.holes(until);
    this.plots[0]?.show(this.history.columns(until, ["bid", "ask"]), holes);
    this.plots[1]?.show(this.history.columns(until, ["spreadBps", "meanBps"]), holes);
    this.describe(until, holes);
  }

  /** The plots are built anew only where the colours have changed. */
  private build(): void {
    if (this.plottedEpoch === this.theme.epoch) return;
    this.plottedEpoch = this.theme.epoch;
    this.plots.forEach((plot) => plot.destroy());
    const pointed = (second: number | null) => {
      if (second === this.pointedAt) return;
      this.pointedAt = second;
      this.request();
    };
    this.plots = [
      new Plot(part("price-plot"), PRICE_SPEC, this.theme, pointed),
      new Plot(part("spread-plot"), SPREAD_SPEC, this.theme, pointed),
    ];
  }

  private describe(until: number, holes: Hole[]): void {
    const unseen = holes.reduce((sum, { start, end }) => sum + end - start + 1, 0);
    const seen = this.history.filled;
    const from = utcTime((until - HISTORY_SECONDS + 1) * 1000);
    const parts = [`${from} to ${utcTime(until * 1000)} UTC: ${seen} of ${HISTORY_SECONDS} s seen.`];
    if (unseen > 0) {
      const reasons = new Set(holes.map(({ reason }) => (reason ? explain(reason) : "no figures")));
      parts.push(`${unseen} s left out (${[...reasons].join("; ")}).`);
    }
    if (this.line !== "live") parts.push("The connection of this chart is being made again.");
    part("chart-note").textContent = this.refused || parts.join(" ");
  }
}
