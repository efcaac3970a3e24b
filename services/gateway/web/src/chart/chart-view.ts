/** One market: its last 15 minutes as two plots, and the figures at the crosshair or of now. */

import { part } from "../element";
import { freshnessOf, type Circumstances } from "../freshness";
import { utcTime } from "../format";
import { MarketRow } from "../market-row";
import { explain } from "../reasons";
import { coinHashOf } from "../route";
import type { Surroundings, View } from "../view";
import { HISTORY_SECONDS, type Hole } from "./history";
import { Plot, PRICE_SPEC, SPREAD_SPEC } from "./plot";
import { Readout } from "./readout";
import { Recent } from "./recent";

// The first seconds are not asked for, and have gone out of sight by the time anybody wonders.
const SOON_FILLED = 15;

export class ChartView implements View {
  readonly title: string;
  private readonly recent: Recent;
  private readonly row: MarketRow;
  private readonly readout: Readout;
  private readonly resized = new ResizeObserver(() => this.plots.forEach((plot) => plot.resize()));
  private plots: Plot[] = [];
  private plottedEpoch = -1;
  private drawn = "";
  private pointedAt: number | null = null;

  constructor(
    readonly market: string,
    private readonly around: Surroundings,
  ) {
    this.row = new MarketRow(market);
    this.recent = new Recent(market, around);
    this.title = `${this.row.pair} ${this.row.exchange}`;
    part("chart-pair").textContent = this.row.pair;
    part("chart-exchange").textContent = this.row.exchange;
    const coin = part<HTMLAnchorElement>("chart-coin");
    coin.textContent = `${this.row.coin} over all venues`;
    coin.href = coinHashOf(this.row.coin);
    this.readout = new Readout(part("readout"), this.row.quoteCurrency);
    this.resized.observe(part("price-plot"));
    this.resized.observe(part("spread-plot"));
  }

  render(circumstances: Circumstances): void {
    const { book } = this.around;
    this.recent.open();
    const { history } = this.recent;
    const until = Math.max(history.end, book.newestAsOf);
    const row = book.rows.get(this.market) ?? this.row;
    const freshness = freshnessOf(row, circumstances);
    this.readout.badge(freshness);
    this.readout.feed(row.feed);
    if (this.pointedAt === null) this.readout.now(row);
    else this.readout.at(history, this.pointedAt, row.decimals);
    if (until <= 0) {
      part("chart-note").textContent = "Waiting for the first figures…";
      return;
    }
    this.draw(until);
  }

  /** It has a connection of its own, which goes on by itself. */
  take(): void {}

  cameBack(): void {}

  close(): void {
    this.recent.close();
    this.resized.disconnect();
    this.plots.forEach((plot) => plot.destroy());
    this.plots = [];
  }

  private draw(until: number): void {
    const { history, line } = this.recent;
    const drawn = `${until} ${history.end} ${this.around.theme.epoch} ${history.filled(until)} ${line}`;
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    this.build();
    const holes = history.holes(until);
    this.plots[0]?.show(history.columns(until, ["bid", "ask"]), holes);
    this.plots[1]?.show(history.columns(until, ["spreadBps", "meanBps"]), holes);
    this.describe(until, holes);
  }

  /** The plots are built anew only where the colours have changed. */
  private build(): void {
    const { theme, request } = this.around;
    if (this.plottedEpoch === theme.epoch) return;
    this.plottedEpoch = theme.epoch;
    this.plots.forEach((plot) => plot.destroy());
    const pointed = (second: number | null) => {
      if (second === this.pointedAt) return;
      this.pointedAt = second;
      request();
    };
    this.plots = [
      new Plot(part("price-plot"), PRICE_SPEC, theme, pointed),
      new Plot(part("spread-plot"), SPREAD_SPEC, theme, pointed),
    ];
  }

  private describe(until: number, holes: Hole[]): void {
    const { history, line, refused } = this.recent;
    const left = holes.filter(({ why }) => why !== "not held");
    const unseen = left.reduce((sum, { start, end }) => sum + end - start + 1, 0);
    const from = utcTime((until - HISTORY_SECONDS + 1) * 1000);
    const parts = [
      `${from} to ${utcTime(until * 1000)} UTC: ${history.filled(until)} of ${HISTORY_SECONDS} s seen.`,
    ];
    if (unseen > 0) {
      const reasons = new Set(
        left.map(({ why }) => (why === "no figures" || why === "not held" ? why : explain(why))),
      );
      parts.push(`${unseen} s left out (${[...reasons].join("; ")}).`);
    }
    const notHeld = holes.find(({ why }) => why === "not held");
    if (notHeld && notHeld.end < until && notHeld.end - notHeld.start > SOON_FILLED) {
      parts.push(`What is held begins at ${utcTime((notHeld.end + 1) * 1000)}.`);
    }
    if (line !== "live") parts.push("The connection of this chart is being made again.");
    part("chart-note").textContent = refused || parts.join(" ");
  }
}
