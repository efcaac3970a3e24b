/** What the page asks at its start: where the data come from, and which coins rank first. */

import type { Source } from "../contract";
import type { Rest } from "./rest";

export async function fetchSource(rest: Rest): Promise<Source> {
  const { source } = await rest.get("/v1/catalog");
  return source === "simulated" || source === "live" ? source : "none";
}

/** Rank by coin. A gateway that knows no coins yet gives an empty map. */
export async function fetchRanks(rest: Rest): Promise<Map<string, number>> {
  const ranks = new Map<string, number>();
  for (const { coin, rank } of (await rest.list("/v1/coins")).data) {
    if (typeof coin === "string" && typeof rank === "number") ranks.set(coin, rank);
  }
  return ranks;
}
