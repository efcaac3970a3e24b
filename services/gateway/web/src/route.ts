/** What the address says: `#/` the table, `#/kraken/BTC-USD` one market. */

export type Route = { market: null } | { market: string };

export function hashOf(market: string): string {
  const [exchange = "", pair = ""] = market.split(":");
  return `#/${encodeURIComponent(exchange)}/${encodeURIComponent(pair)}`;
}

export function routeOf(hash: string): Route {
  const [, exchange, pair] = /^#\/([^/]+)\/([^/]+)$/.exec(hash) ?? [];
  if (!exchange || !pair) return { market: null };
  try {
    return { market: `${decodeURIComponent(exchange)}:${decodeURIComponent(pair)}` };
  } catch {
    // An address that somebody cut off in the middle of an escape.
    return { market: null };
  }
}
