/** What the page asks over REST: where the data come from, and which coins rank first. */

import { isFields, type Source } from "../contract";

const PAGES_AT_MOST = 20;

export interface Catalog {
  source: Source;
}

export async function fetchCatalog(key: string | null): Promise<Catalog> {
  const body = await fetchJson("/v1/catalog", key);
  const source = isFields(body) ? body["source"] : undefined;
  return { source: source === "simulated" || source === "live" ? source : "none" };
}

/** Rank by coin. A gateway that knows no coins yet gives an empty map. */
export async function fetchRanks(key: string | null): Promise<Map<string, number>> {
  const ranks = new Map<string, number>();
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_AT_MOST; page += 1) {
    const address: string = "/v1/coins" + (cursor ? `?cursor=${encodeURIComponent(cursor)}` : "");
    const body = await fetchJson(address, key);
    if (!isFields(body) || !Array.isArray(body["data"])) break;
    for (const coin of body["data"] as unknown[]) {
      if (isFields(coin) && typeof coin["coin"] === "string" && typeof coin["rank"] === "number") {
        ranks.set(coin["coin"], coin["rank"]);
      }
    }
    cursor = typeof body["next"] === "string" ? body["next"] : null;
    if (!cursor) break;
  }
  return ranks;
}

async function fetchJson(address: string, key: string | null): Promise<unknown> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (key) headers["X-API-Key"] = key;
  const response = await fetch(address, { headers, signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`expected 200 from ${address}, was ${response.status}`);
  return response.json();
}
