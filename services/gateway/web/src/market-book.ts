/** Every market the gateway has named. It grows with the number of markets, not with time. */

import { isFeed, isQuote, isSpread, type Item } from "./contract";
import { MarketRow } from "./market-row";

export class MarketBook {
  readonly rows = new Map<string, MarketRow>();
  /** The newest `as_of` of any market, in seconds: where event time stands. */
  newestAsOf = 0;
  /** Rises when a market is added. */
  generation = 0;
  private ranks = new Map<string, number>();

  take(items: Item[]): void {
    for (const { channel, key, data } of items) {
      if (channel === "spreads" && isSpread(data)) {
        const row = this.row(key);
        row.takeSpread(data);
        if (row.asOf > this.newestAsOf) this.newestAsOf = row.asOf;
      } else if (channel === "quotes" && isQuote(data)) {
        this.row(key).takeQuote(data);
      } else if (channel === "feeds" && isFeed(data)) {
        this.row(key).takeFeed(data);
      }
    }
  }

  rank(ranks: Map<string, number>): void {
    this.ranks = ranks;
    for (const row of this.rows.values()) row.rank = ranks.get(row.coin) ?? Infinity;
    this.generation += 1;
  }

  private row(market: string): MarketRow {
    let row = this.rows.get(market);
    if (!row) {
      row = new MarketRow(market);
      row.rank = this.ranks.get(row.coin) ?? Infinity;
      this.rows.set(market, row);
      this.generation += 1;
    }
    return row;
  }
}
