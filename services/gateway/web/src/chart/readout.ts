/** The figures beside the chart: those of now, or those under the crosshair. */

import type { Feed } from "../contract";
import { LiveAttribute, LiveText, element, part } from "../element";
import type { Freshness } from "../freshness";
import { NOTHING, age, basisPoints, fixed, percent, ratio, utcTime } from "../format";
import type { MarketRow } from "../market-row";
import { explain } from "../reasons";
import type { History } from "./history";

const TILES = [
  ["time", "Time, UTC"],
  ["bid", "Bid"],
  ["ask", "Ask"],
  ["spread", "Spread"],
  ["bps", "Spread, bps"],
  ["mean", "15 s mean, bps"],
  ["against", "Now / mean"],
  ["coverage", "Seen"],
] as const;

type Tile = (typeof TILES)[number][0];

interface Figures {
  time: number;
  bid: number | null;
  ask: number | null;
  spread: number | null;
  bps: number | null;
  mean: number | null;
  coverage: number | null;
  decimals: number;
  why: string;
  whyMean: string;
}

export class Readout {
  private readonly texts = new Map<Tile, LiveText>();
  private readonly standing: LiveText;
  private readonly worth: LiveAttribute;
  private readonly when: LiveAttribute;
  private readonly nowWorth: LiveAttribute;
  private readonly feedText: LiveText;

  constructor(host: HTMLElement, quoteCurrency: string) {
    host.replaceChildren();
    for (const [key, title] of TILES) {
      const value = element("dd");
      const label = key === "spread" ? `Spread, ${quoteCurrency}` : title;
      host.append(element("div", { class: `tile ${key}` }, element("dt", {}, label), value));
      this.texts.set(key, new LiveText(value));
    }
    this.when = new LiveAttribute(host, "data-when");
    this.nowWorth = new LiveAttribute(host, "data-worth");
    this.standing = new LiveText(fresh("chart-standing"));
    this.worth = new LiveAttribute(this.standing.host, "data-worth");
    this.feedText = new LiveText(fresh("chart-feed"));
  }

  badge(freshness: Freshness): void {
    const old = freshness.age === null ? "" : ` ${age(freshness.age)}`;
    this.standing.set(freshness.standing + old, freshness.why);
    this.worth.set(freshness.worth);
    this.nowWorth.set(freshness.worth);
  }

  feed(feed: Feed | null): void {
    if (!feed) {
      this.feedText.set("");
      return;
    }
    const skew = feed.clock_skew_ms === null ? "" : ` · clock skew ${fixed(feed.clock_skew_ms, 0)} ms`;
    this.feedText.set(
      `Feed ${feed.status} since ${utcTime(Date.parse(feed.since))}${feed.detail ? ` (${feed.detail})` : ""}: ` +
        `quotes ${fixed(feed.quotes, 0)} · trades ${fixed(feed.trades, 0)} · gaps ${feed.gaps} · ` +
        `trades lost ${feed.trades_lost} · reconnects ${feed.reconnects}${skew}`,
    );
  }

  now(row: MarketRow): void {
    this.when.set("now");
    this.show({
      time: row.asOf,
      bid: row.bid,
      ask: row.ask,
      spread: row.spreadNow,
      bps: row.spreadBps,
      mean: row.meanBps,
      coverage: row.coverage,
      decimals: row.decimals,
      why: explain(row.reasonOf("spread_bps")),
      whyMean: explain(row.reasonOfMean()),
    });
  }

  at(history: History, second: number, decimals: number): void {
    this.when.set("then");
    const reason = history.reasonAt(second);
    const why = reason ? explain(reason) : "nothing was published for this second";
    this.show({
      time: second,
      bid: history.at("bid", second),
      ask: history.at("ask", second),
      spread: history.at("spread", second),
      bps: history.at("spreadBps", second),
      mean: history.at("meanBps", second),
      coverage: history.at("coverage", second),
      decimals,
      why,
      whyMean: why,
    });
  }

  private show(figures: Figures): void {
    const { bps, mean, decimals, why, whyMean } = figures;
    this.set("time", figures.time || null, (second) => utcTime(second * 1000), "no figures yet");
    this.set("bid", figures.bid, (value) => fixed(value, decimals), why);
    this.set("ask", figures.ask, (value) => fixed(value, decimals), why);
    this.set("spread", figures.spread, (value) => fixed(value, decimals), why);
    this.set("bps", bps, basisPoints, why);
    this.set("mean", mean, basisPoints, whyMean);
    const against = bps === null || mean === null || mean <= 0 ? null : bps / mean;
    this.set("against", against, ratio, bps === null ? why : whyMean);
    this.set("coverage", figures.coverage, percent, whyMean);
  }

  private set(tile: Tile, value: number | null, format: (value: number) => string, why: string): void {
    if (value === null) this.texts.get(tile)?.set(NOTHING, why);
    else this.texts.get(tile)?.set(format(value));
  }
}

/** The element emptied of the market shown before. */
function fresh(id: string): HTMLElement {
  const host = part(id);
  host.replaceChildren();
  host.removeAttribute("title");
  return host;
}
