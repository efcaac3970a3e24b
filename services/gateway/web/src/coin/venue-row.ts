/** One venue's row: written in place, so that the keyboard's focus stays where it is. */

import { numberOf, reasonsOf, type Fields, type Reason } from "../contract";
import { LiveAttribute, LiveText, element } from "../element";
import { NOTHING, basisPoints, fixed } from "../format";
import { explain, standingOf } from "../reasons";
import { hashOf } from "../route";

export interface Best {
  /** The markets that have the best price of a side. */
  bid: string[];
  ask: string[];
}

// Nothing is wrong with the line to the exchange.
const SEEN: Reason[] = ["warming", "thin", "crossed"];

export class VenueRow {
  readonly node = element("tr");
  private readonly badge = new LiveText(element("span", { class: "badge" }));
  private readonly worth = new LiveAttribute(this.badge.host, "data-worth");
  private readonly prices: Record<"bid" | "ask", { price: LiveText; best: LiveText }>;
  private readonly spread = new LiveText(element("td", { class: "numeric" }));
  private readonly fee = new LiveText(element("td", { class: "numeric" }));

  constructor(readonly market: string) {
    const link = element("a", { href: hashOf(market) }, market.split(":")[0] || NOTHING);
    const cell = (side: "bid" | "ask") => {
      const td = element("td", { class: `numeric ${side}` });
      const price = new LiveText(td);
      const best = new LiveText(td.appendChild(element("span", { class: "unseen" })));
      return { price, best };
    };
    this.prices = { bid: cell("bid"), ask: cell("ask") };
    this.node.append(
      element("th", { scope: "row" }, link, " ", this.badge.host),
      this.prices.bid.price.host,
      this.prices.ask.price.host,
      this.spread.host,
      this.fee.host,
    );
  }

  /** `leftOut` is why the venue is among no best prices. */
  show(venue: Fields, best: Best, decimals: number, leftOut: Reason | undefined): void {
    this.badge.host.hidden = leftOut === undefined;
    this.badge.set(leftOut ? standingOf(leftOut) : "", leftOut ? explain(leftOut) : "");
    this.worth.set(leftOut && SEEN.includes(leftOut) ? "fair" : "bad");
    const reasons = reasonsOf(venue);
    const [bid, ask] = (["bid", "ask"] as const).map((side) => {
      const value = numberOf(venue[side]);
      const why = value === null ? reasons[side] : undefined;
      const { price, best: mark } = this.prices[side];
      price.set(value === null ? NOTHING : fixed(value, decimals), why ? explain(why) : "");
      const isBest = best[side].includes(this.market);
      price.host.classList.toggle("best", isBest);
      mark.set(isBest ? " best" : "");
      return value;
    });
    const spread =
      numberOf(venue["spread_bps"]) ??
      (typeof bid === "number" && typeof ask === "number"
        ? (1e4 * (ask - bid)) / ((ask + bid) / 2)
        : null);
    const fee = numberOf(venue["taker_bps"]);
    this.spread.set(spread === null ? NOTHING : basisPoints(spread));
    this.fee.set(fee === null ? NOTHING : basisPoints(fee));
    this.node.classList.toggle("stale", venue["stale"] === true);
  }
}
