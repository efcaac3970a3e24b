/** What the address says: `#/` the table, `#/kraken/BTC-USD` one market, `#/coin/BTC`, `#/correlations`. */

export type Route =
  | { view: "table" }
  | { view: "market"; market: string }
  | { view: "coin"; coin: string }
  | { view: "correlations" };

const CORRELATIONS = "#/correlations";

export function hashOf(market: string): string {
  const [exchange = "", pair = ""] = market.split(":");
  return `#/${encodeURIComponent(exchange)}/${encodeURIComponent(pair)}`;
}

export function coinHashOf(coin: string): string {
  return `#/coin/${encodeURIComponent(coin)}`;
}

export function routeOf(hash: string): Route {
  if (hash === CORRELATIONS) return { view: "correlations" };
  const [, first, second] = /^#\/([^/]+)\/([^/]+)$/.exec(hash) ?? [];
  if (!first || !second) return { view: "table" };
  try {
    const name = decodeURIComponent(second);
    if (first === "coin") return { view: "coin", coin: name };
    return { view: "market", market: `${decodeURIComponent(first)}:${name}` };
  } catch {
    // An address that somebody cut off in the middle of an escape.
    return { view: "table" };
  }
}
