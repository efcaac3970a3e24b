/** Best bid and ask over the venues of a coin, and where one could sell above what another asks. */

import { isFields, numberOf, textOf, type Fields, type Reason } from "../contract";
import { LiveText, arrange, element } from "../element";
import { NOTHING, basisPoints, decimalsOf, utcTime } from "../format";
import { Latest } from "../line/rest";
import { inWords } from "../reasons";
import type { Surroundings } from "../view";
import { VenueRow } from "./venue-row";

const EVERY_MS = 2_000;

export class VenuesPanel {
  readonly node = element("section", {
    class: "panel venues-panel",
    "aria-labelledby": "venues-title",
  });
  private readonly body = element("tbody");
  private rows: VenueRow[] = [];
  private readonly note = new LiveText(element("p", { class: "chart-note" }));
  private readonly crossings = element("ul", { class: "crossings", "aria-label": "Crossings" });
  private readonly latest = new Latest();
  private readonly timer: number;
  private quote = "";

  constructor(
    private readonly around: Surroundings,
    private readonly coin: string,
  ) {
    const heads = ["Venue", "Bid", "Ask", "Spread, bps", "Taker fee, bps"];
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    const named = { "aria-labelledby": "venues-title" };
    const table = element("table", named, element("thead", {}, head), this.body);
    this.node.append(
      element("h2", { id: "venues-title" }, "Best bid and ask over venues"),
      element("div", { class: "wide" }, table),
      this.crossings,
      this.note.host,
    );
    this.timer = window.setInterval(() => {
      if (!document.hidden && !this.latest.busy) this.ask();
    }, EVERY_MS);
  }

  show(quote: string): void {
    if (quote === this.quote) return;
    this.quote = quote;
    this.offer([]);
    this.ask();
  }

  close(): void {
    window.clearInterval(this.timer);
    this.latest.cancel();
  }

  private ask(): void {
    const { quote } = this;
    if (!quote) return;
    this.latest.run(
      (signal) =>
        this.around.rest.get(
          `/v1/coins/${encodeURIComponent(this.coin)}/venues`,
          { quote },
          signal,
        ),
      (answer) => this.fill(answer),
      (words) => {
        this.offer([]);
        this.crossings.replaceChildren();
        this.note.set(words);
      },
    );
  }

  private fill(answer: Fields): void {
    const venues = listOf(answer["venues"]);
    const best = { bid: marketsOf(answer["best_bid"]), ask: marketsOf(answer["best_ask"]) };
    const prices = venues.flatMap((venue) => [numberOf(venue["bid"]), numberOf(venue["ask"])]);
    const decimals = Math.max(0, ...prices.map((price) => (price ? decimalsOf(price) : 0)));
    const leftOut = leftOutOf(answer["left_out"]);
    this.offer(venues.map((venue) => textOf(venue["market"])));
    this.rows.forEach((row, index) =>
      row.show(venues[index] ?? {}, best, decimals, leftOut.get(row.market)),
    );
    const crossings = listOf(answer["crossings"]);
    this.crossings.replaceChildren(...crossings.map(crossingOf));
    const asOf = Date.parse(textOf(answer["as_of"]));
    const when = Number.isNaN(asOf) ? "" : ` as of ${utcTime(asOf)} UTC`;
    let crossed = `No venue bids above what another one asks${when}.`;
    if (leftOut.size === venues.length) crossed = "No venue can be traded on now.";
    else if (crossings.length) {
      crossed = `Crossings are gross and net of both taker fees${when}; indicative.`;
    }
    this.note.set([crossed, ...leftOutInWords(leftOut)].join(" "));
  }

  /** Has a row for each of these; that of one that stays is the same. */
  private offer(markets: string[]): void {
    const known = new Map(this.rows.map((row) => [row.market, row]));
    this.rows = markets.map((market) => known.get(market) ?? new VenueRow(market));
    arrange(
      this.body,
      this.rows.map(({ node }) => node),
    );
  }
}

function crossingOf(crossing: Fields): HTMLElement {
  const buy = textOf(crossing["buy"]);
  const sell = textOf(crossing["sell"]);
  const gross = numberOf(crossing["gross_bps"]);
  const net = numberOf(crossing["net_bps"]);
  const text = (value: number | null) => (value === null ? NOTHING : `${basisPoints(value)} bps`);
  return element(
    "li",
    { class: net !== null && net > 0 ? "pays" : "" },
    `Buy on ${buy.split(":")[0]}, sell on ${sell.split(":")[0]}: gross ${text(gross)}, net of fees ${text(net)}`,
  );
}

/** The markets that have the best price of a side; one that cannot be traded on is none of them. */
function marketsOf(best: unknown): string[] {
  const markets = isFields(best) ? best["markets"] : null;
  return Array.isArray(markets) ? markets.map(textOf) : [];
}

/** Why a market is among no best prices, by market. */
function leftOutOf(told: unknown): Map<string, Reason> {
  return new Map(
    listOf(told).map((each) => [textOf(each["market"]), textOf(each["reason"]) as Reason]),
  );
}

/** A sentence a reason, with the exchanges it holds for. */
function leftOutInWords(leftOut: Map<string, Reason>): string[] {
  return [...new Set(leftOut.values())].map((reason) => {
    const markets = [...leftOut.keys()].filter((market) => leftOut.get(market) === reason);
    const names = markets.map((market) => market.split(":")[0]).join(", ");
    return `Left out: ${names} (${inWords(reason)}).`;
  });
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? (value as unknown[]).filter(isFields) : [];
}
