/** One market as the page knows it: its newest quote, its newest figures, its feed. */

import type { Feed, Quote, Reason, Spread } from "./contract";
import { decimalsOf } from "./format";
import { SecondRing } from "./second-ring";

export const SPARK_SECONDS = 180;

export type PriceField = "bid" | "ask" | "spread" | "spread_bps";

export class MarketRow {
  readonly exchange: string;
  readonly pair: string;
  readonly coin: string;
  readonly quoteCurrency: string;
  /** What the filter searches. */
  readonly words: string;
  readonly spark = new SecondRing(SPARK_SECONDS);

  rank = Infinity;
  spread: Spread | null = null;
  feed: Feed | null = null;
  /** `as_of` of the figures, in seconds since the epoch; 0 before the first. */
  asOf = 0;
  /** Rises with every change of what is shown. */
  version = 0;

  bid: number | null = null;
  ask: number | null = null;
  spreadNow: number | null = null;
  spreadBps: number | null = null;
  /** Decimals of the market's prices; the most that were needed so far, so columns stand still. */
  decimals = 0;

  private quoteTime = 0;
  private priceReasons: Partial<Record<PriceField, Reason>> = {};

  constructor(readonly market: string) {
    const [exchange = "", pair = ""] = market.split(":");
    const dash = pair.lastIndexOf("-");
    this.exchange = exchange;
    this.pair = pair;
    this.coin = pair.slice(0, dash);
    this.quoteCurrency = pair.slice(dash + 1);
    this.words = `${exchange} ${pair} ${market}`.toLowerCase();
  }

  takeSpread(spread: Spread): void {
    const asOf = Date.parse(spread.as_of) / 1000;
    if (Number.isNaN(asOf)) return;
    this.spark.set(asOf, spread.spread_bps);
    if (asOf < this.asOf) return;
    this.spread = spread;
    this.asOf = asOf;
    this.version += 1;
    // The figures hold the quote just before `as_of`; a later one is newer than they are.
    if (this.quoteTime >= asOf * 1000) return;
    this.bid = spread.bid;
    this.ask = spread.ask;
    this.spreadNow = spread.spread;
    this.spreadBps = spread.spread_bps;
    this.priceReasons = spread.reasons as Partial<Record<PriceField, Reason>>;
    this.learnDecimals();
  }

  takeQuote(quote: Quote): void {
    const time = Date.parse(quote.time);
    if (Number.isNaN(time) || time < this.quoteTime) return;
    this.quoteTime = time;
    if (time < this.asOf * 1000) return;
    const { bid, ask } = quote;
    this.bid = bid;
    this.ask = ask;
    if (bid === null || ask === null) this.setUndefined("thin");
    else if (bid > ask) this.setUndefined("crossed");
    else {
      this.spreadNow = ask - bid;
      this.spreadBps = (1e4 * (ask - bid)) / ((ask + bid) / 2);
      this.priceReasons = {};
    }
    this.version += 1;
    this.learnDecimals();
  }

  takeFeed(feed: Feed): void {
    this.feed = feed;
    this.version += 1;
  }

  get meanBps(): number | null {
    return this.spread?.windows["15s"]?.mean_bps ?? null;
  }

  get coverage(): number | null {
    return this.spread?.windows["15s"]?.coverage ?? null;
  }

  get observations(): number | null {
    return this.spread?.windows["15s"]?.n ?? null;
  }

  /** The spread of now against its mean: 1 is as usual. */
  get againstMean(): number | null {
    const mean = this.meanBps;
    return this.spreadBps === null || mean === null || mean <= 0 ? null : this.spreadBps / mean;
  }

  /** Why a price is undefined. Before the first figures nothing has been seen. */
  reasonOf(field: PriceField): Reason {
    return this.priceReasons[field] ?? (this.spread ? "stale" : "warming");
  }

  reasonOfMean(): Reason {
    return this.spread?.reasons["windows.15s.mean_bps"] ?? this.reasonOf("spread_bps");
  }

  /** Why the market could not be seen at `as_of`, if so. */
  get unseen(): Reason | null {
    if (!this.spread?.stale) return null;
    const reasons = this.spread.reasons;
    // Late figures are `stale` too; their values stay, as they were seen.
    return reasons["bid"] ?? (reasons["as_of"] === "line_delayed" ? null : "stale");
  }

  private setUndefined(reason: Reason): void {
    this.spreadNow = null;
    this.spreadBps = null;
    this.priceReasons = { bid: reason, ask: reason, spread: reason, spread_bps: reason };
  }

  private learnDecimals(): void {
    for (const price of [this.bid, this.ask]) {
      if (price !== null && price > 0) this.decimals = Math.max(this.decimals, decimalsOf(price));
    }
  }
}
