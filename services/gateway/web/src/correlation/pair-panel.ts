/** One pair: its figures now, its course over the last hours, and its returns. */

import { Plot, type PlotSpec } from "../chart/plot";
import { isFields, numberOf, reasonsOf, secondsOf, type Fields, type Reason } from "../contract";
import { LiveText, element } from "../element";
import { FigureTiles } from "../figure-tiles";
import { fixed, utcDateTime } from "../format";
import { Latest, isoOf, type Parameters } from "../line/rest";
import { explainFigure } from "../reasons";
import { Troubles } from "../troubles";
import type { Surroundings } from "../view";
import { Scatter } from "./scatter";
import { correlation, count, interval } from "./words";

const HISTORY_SECONDS = 6 * 3_600;
// So often a pair that stays open is asked for again.
const EVERY_SECONDS = 60;

const SPEC: PlotSpec = {
  fields: [
    { field: "high", colour: "band-edge", width: 1 },
    { field: "low", colour: "band-edge", width: 1 },
    { field: "r", colour: "accent", width: 1.75 },
  ],
  band: { upper: 0, lower: 1, colour: "band" },
  straight: true,
  range: [-1.05, 1.05],
};

const TILES = [
  ["r", "Correlation", ""],
  ["interval", "95 % interval", "Where the correlation lies with 95 % confidence"],
  ["observations", "n", "Returns that both coins have in the window"],
  ["effective", "Effective n", "What these are worth, as overlapping returns are not independent"],
] as const;

export class PairPanel {
  readonly node = element("section", {
    class: "panel pair-panel",
    "aria-labelledby": "pair-title",
    hidden: "",
  });
  private readonly title = new LiveText(element("h2", { id: "pair-title", tabindex: "-1" }));
  private readonly tiles = new FigureTiles("Figures of the pair", TILES);
  // A pair that is refused has no history either: that is told once.
  private readonly troubles = new Troubles(["now", "past"] as const);
  private readonly asOf = new LiveText(element("p", { class: "chart-note" }));
  private readonly since = new LiveText(element("p", { class: "chart-note" }));
  private readonly host = element("div", { class: "plot pair-plot", role: "img" });
  private readonly scatter: Scatter;
  private readonly askNow = new Latest();
  private readonly askPast = new Latest();
  private readonly resized = new ResizeObserver(() => this.plot?.resize());
  private plot: Plot | null = null;
  private plottedEpoch = -1;
  private past: Fields[] = [];
  private returns: [number, number][] = [];
  private pair: [string, string] | null = null;
  private table: Parameters = {};
  private askedAt = -Infinity;

  constructor(private readonly around: Surroundings) {
    this.troubles.node.dataset["worth"] = "bad";
    this.scatter = new Scatter(around.theme);
    this.scatter.node.hidden = true;
    this.node.append(
      this.title.host,
      this.troubles.node,
      this.asOf.host,
      this.tiles.node,
      this.host,
      this.since.host,
      this.scatter.node,
    );
    this.resized.observe(this.host);
  }

  open(a: string, b: string, table: Parameters): void {
    this.pair = [a, b];
    this.table = table;
    this.node.hidden = false;
    this.title.set(`${a} – ${b}`);
    this.asOf.set("");
    this.host.setAttribute("aria-label", `Correlation of ${a} and ${b} over the last six hours`);
    this.ask();
  }

  /** A step of the matrix has come: what is shown may be old by now. */
  follow(asOf: number): void {
    if (asOf >= this.askedAt + EVERY_SECONDS) this.ask();
  }

  /** Asks for all that is shown, where a pair is. */
  ask(): void {
    if (!this.pair) return;
    const [[a, b], table] = [this.pair, this.table];
    const path = `/v1/correlations/${encodeURIComponent(a)}/${encodeURIComponent(b)}`;
    const until = Math.floor(this.around.present());
    this.askedAt = until;
    this.askNow.run(
      (signal) => this.around.rest.get(path, table, signal),
      (answer) => {
        this.troubles.tell("now", "");
        this.showNow(answer);
      },
      (words) => {
        this.troubles.tell("now", `Refused: ${words}`);
        this.showNow({});
      },
    );
    const range = { start: isoOf(until - HISTORY_SECONDS), end: isoOf(until + 1) };
    this.askPast.run(
      (signal) => this.around.rest.list(`${path}/history`, { ...table, ...range }, signal),
      ({ data, first }) => {
        this.troubles.tell("past", "");
        this.past = data;
        const from = secondsOf(first["complete_from"]);
        const held =
          from > until - HISTORY_SECONDS ? `Held from ${utcDateTime(from * 1000)} UTC on.` : "";
        const reason = data.map((point) => reasonsOf(point)["correlation"]).at(-1);
        this.since.set(reason ? `${held} At its end ${explainFigure(reason)}.`.trim() : held);
        this.takeReturns(first["returns"]);
        this.draw();
      },
      (words) => {
        this.troubles.tell("past", `No history: ${words}`);
        this.past = [];
        this.takeReturns(null);
        this.draw();
      },
    );
  }

  /** Puts the keyboard and the eye on it. */
  focus(): void {
    this.title.host.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
  }

  render(): void {
    if (this.pair && this.plottedEpoch !== this.around.theme.epoch) this.draw();
  }

  close(): void {
    this.askNow.cancel();
    this.askPast.cancel();
    this.resized.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  private showNow(answer: Fields): void {
    const reasons = reasonsOf(answer);
    const figure = (name: string) => numberOf(answer[name]);
    const why: Reason | undefined = reasons["correlation"];
    this.tiles.show("r", figure("correlation"), correlation, changeOf(answer["change"]), why);
    const [low, high] = [figure("low"), figure("high")];
    this.tiles.show("interval", low, () => interval({ low, high }), "", reasons["low"] ?? why);
    this.tiles.show("observations", figure("n"), count, "", reasons["n"]);
    this.tiles.show("effective", figure("n_effective"), count, "", reasons["n_effective"]);
    const asOf = secondsOf(answer["as_of"]);
    this.asOf.set(Number.isFinite(asOf) ? `As of ${utcDateTime(asOf * 1000)} UTC.` : "");
    if (Array.isArray(answer["returns"])) {
      this.takeReturns(answer["returns"]);
      this.draw();
    }
  }

  private takeReturns(told: unknown): void {
    if (!Array.isArray(told)) {
      if (told === null) this.returns = [];
      return;
    }
    this.returns = [];
    for (const pair of told as unknown[]) {
      if (!Array.isArray(pair)) continue;
      const [x, y] = [numberOf(pair[0]), numberOf(pair[1])];
      if (x !== null && y !== null) this.returns.push([x, y]);
    }
  }

  private draw(): void {
    const { theme } = this.around;
    if (this.plottedEpoch !== theme.epoch) {
      this.plottedEpoch = theme.epoch;
      this.plot?.destroy();
      this.plot = new Plot(this.host, SPEC, theme, () => undefined);
    }
    const points = this.past
      .filter(isFields)
      .map((fields) => ({ second: secondsOf(fields["as_of"]), fields }))
      .filter(({ second }) => Number.isFinite(second))
      .sort((x, y) => x.second - y.second);
    const column = (name: string) => points.map(({ fields }) => numberOf(fields[name]));
    this.plot?.show(
      [points.map(({ second }) => second), column("high"), column("low"), column("correlation")],
      [],
    );
    this.scatter.node.hidden = this.returns.length === 0;
    if (this.pair && this.returns.length) this.scatter.show(this.returns, ...this.pair);
  }
}

/** How the pair stands against the longer table. */
function changeOf(change: unknown): string {
  if (!isFields(change)) return "";
  const [before, z] = [numberOf(change["correlation"]), numberOf(change["z"])];
  const told = before === null ? "" : `${correlation(before)} in ${String(change["against"])}`;
  const away = z === null ? "" : `, z ${fixed(z, 1)}`;
  return `${told}${away}${change["is_changed"] === true ? ": changed" : ""}`;
}
