/** The spread of one market against the band it usually lies in, and what trading in it costs. */

import { Plot, type PlotSpec } from "../chart/plot";
import { Recent } from "../chart/recent";
import { HISTORY_SECONDS, type Field } from "../chart/history";
import type { Spread } from "../contract";
import { LiveText, element } from "../element";
import { basisPoints, fixed, percent, utcTime } from "../format";
import type { Surroundings } from "../view";
import { BAND_SIGMAS, bandOf } from "./band";
import { FigureTiles } from "../figure-tiles";
import { Picker } from "../picker";

const SPEC: PlotSpec = {
  fields: [
    { field: "upper", colour: "band-edge", width: 1 },
    { field: "lower", colour: "band-edge", width: 1 },
    { field: "usual", colour: "muted", width: 1, dash: [4, 4] },
    { field: "mean", colour: "accent", width: 1.75 },
  ],
  band: { upper: 0, lower: 1, colour: "band" },
};

const TILES = [
  ["mean", "15 s mean, bps", "Mean spread of the last 15 s, weighted by time"],
  [
    "z",
    "z",
    "How many standard deviations the logarithm of the mean lies from that of the last 30 min",
  ],
  ["half-life", "Half-life", "How long a deviation takes to halve"],
  ["effective", "Effective, bps", "Twice the distance of a trade's price from the mid before it"],
  ["realised-5", "Realised 5 s, bps", "What of the effective spread is left 5 s later"],
  ["realised-60", "Realised 60 s, bps", "What of the effective spread is left 60 s later"],
  ["impact", "Impact 5 s, bps", "How far the mid has gone with the trade 5 s later"],
  [
    "imbalance",
    "Imbalance",
    "(bid size − ask size) ÷ (bid size + ask size): above 0 more is bid for",
  ],
] as const;

export class SpreadPanel {
  readonly node: HTMLElement;
  private readonly tiles = new FigureTiles("Figures of the spread", TILES);
  private readonly host = element("div", {
    class: "plot band-plot",
    role: "img",
    "aria-label": "15 s mean spread against its usual band over the last 15 minutes",
    "aria-describedby": "band-note",
  });
  private readonly note = new LiveText(element("p", { id: "band-note", class: "chart-note" }));
  private readonly resized = new ResizeObserver(() => this.plot?.resize());
  private recent: Recent | null = null;
  private plot: Plot | null = null;
  private plottedEpoch = -1;
  private drawn = "";

  constructor(
    private readonly around: Surroundings,
    private readonly picker: Picker,
  ) {
    const title = element("h2", { id: "spread-title" }, "Spread against its usual band, bps");
    const key = element(
      "span",
      { class: "keys" },
      element("span", { class: "key-line mean" }, "15 s mean"),
      element("span", { class: "key-line usual" }, "usual"),
      element("span", { class: "key-line band" }, `±${BAND_SIGMAS}σ of 30 min`),
    );
    const head = element("div", { class: "panel-head" }, title, picker.node, key);
    this.node = element("section", {
      class: "panel spread-panel",
      "aria-labelledby": "spread-title",
    });
    this.node.append(head, this.host, this.note.host, this.tiles.node);
    this.resized.observe(this.host);
  }

  render(): void {
    const market = this.picker.value;
    if (!market) return;
    if (this.recent?.market !== market) {
      this.recent?.close();
      this.recent = new Recent(market, this.around);
      this.drawn = "";
    }
    this.recent.open();
    const { book, theme } = this.around;
    const { history, line, refused } = this.recent;
    const spread = book.rows.get(market)?.spread ?? null;
    this.showFigures(spread);
    const until = Math.max(history.end, book.newestAsOf);
    const drawn = `${until} ${history.end} ${theme.epoch} ${line} ${refused}`;
    if (until <= 0 || drawn === this.drawn) return;
    this.drawn = drawn;
    if (this.plottedEpoch !== theme.epoch) {
      this.plottedEpoch = theme.epoch;
      this.plot?.destroy();
      this.plot = new Plot(this.host, SPEC, theme, () => undefined);
    }
    const fields: Field[] = ["meanBps", "baselineBps", "baselineSigma"];
    const [seconds, means = [], usual = [], sigmas = []] = history.columns(until, fields);
    const { lower, upper } = bandOf(usual, sigmas);
    this.plot?.show([seconds, upper, lower, usual, means], history.holes(until));
    const banded = upper.some((value) => value !== null);
    this.note.set(refused || describe(until, line === "live", banded));
  }

  close(): void {
    this.recent?.close();
    this.resized.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  private showFigures(spread: Spread | null): void {
    const { tiles } = this;
    const reasons = spread?.reasons ?? {};
    const window = spread?.windows["15s"];
    const seen = window ? ` · seen ${percent(window.coverage)}` : "";
    const traded =
      spread?.trades_coverage === undefined ? "" : ` · seen ${percent(spread.trades_coverage)}`;
    const count = (n: number | undefined, more: string) => (n === undefined ? "" : `n ${n}${more}`);
    tiles.show(
      "mean",
      window?.mean_bps,
      basisPoints,
      count(window?.n, seen),
      reasons["windows.15s.mean_bps"],
    );
    tiles.show(
      "z",
      spread?.z,
      (value) => fixed(value, 2),
      count(spread?.z_n, " panes"),
      reasons["z"],
    );
    tiles.show(
      "half-life",
      spread?.half_life_s,
      (value) => `${fixed(value, 1)} s`,
      count(spread?.half_life_n, " panes"),
      reasons["half_life_s"],
    );
    const costs = [
      ["effective", "effective_bps", spread?.effective_bps, spread?.trades_n],
      ["realised-5", "realised_5s_bps", spread?.realised_5s_bps, spread?.realised_5s_n],
      ["realised-60", "realised_60s_bps", spread?.realised_60s_bps, spread?.realised_60s_n],
      ["impact", "impact_5s_bps", spread?.impact_5s_bps, spread?.realised_5s_n],
    ] as const;
    for (const [tile, field, value, n] of costs) {
      tiles.show(tile, value, basisPoints, count(n, ` trades${traded}`), reasons[field]);
    }
    tiles.show(
      "imbalance",
      spread?.imbalance,
      (value) => fixed(value, 2),
      spread?.as_of ? `of ${utcTime(Date.parse(spread.as_of))}${seen}` : "",
      reasons["imbalance"],
    );
  }
}

function describe(until: number, live: boolean, banded: boolean): string {
  const parts = [`${HISTORY_SECONDS / 60} minutes up to ${utcTime(until * 1000)} UTC.`];
  if (!banded) parts.push("No band yet: it takes five minutes.");
  if (!live) parts.push("The connection of this chart is being made again.");
  return parts.join(" ");
}
