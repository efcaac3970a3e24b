/** How much a row is worth at this moment, in one word: old numbers must never look fresh. */

import type { LineState } from "./line/stream";
import type { MarketRow } from "./market-row";
import { explain } from "./reasons";

export type Standing =
  | "line lost"
  | "delayed"
  | "down"
  | "gap"
  | "stale"
  | "crossed"
  | "thin"
  | "quiet"
  | "waiting"
  | "live";

/** good: believe it. fair: believe it, with a remark. bad: do not take it for the present. */
export type Worth = "good" | "fair" | "bad";

export interface Freshness {
  standing: Standing;
  worth: Worth;
  why: string;
  /** Seconds since `as_of`; null before the first figures. */
  age: number | null;
}

export interface Circumstances {
  line: LineState;
  /** The gateway's time in seconds or, in a replay, the newest event time. */
  now: number;
}

// The gateway's own limit for `line_delayed`.
const DELAYED_AFTER = 5;

export const STANDINGS: Standing[] = [
  "line lost",
  "delayed",
  "down",
  "gap",
  "stale",
  "crossed",
  "thin",
  "waiting",
  "quiet",
  "live",
];

export function freshnessOf(row: MarketRow, { line, now }: Circumstances): Freshness {
  const age = row.asOf ? Math.max(0, now - row.asOf) : null;
  const say = (standing: Standing, worth: Worth, why: string): Freshness => ({
    standing,
    worth,
    why,
    age,
  });
  if (line !== "live") {
    return say("line lost", "bad", "nothing comes from the gateway; this is the last received");
  }
  if (age === null) {
    const status = row.feed ? `its feed is ${row.feed.status}` : "no feed yet";
    return say("waiting", "fair", `no figures of this market yet; ${status}`);
  }
  // An unseen market has no rows after its last one, so its age is the exchange's doing.
  const unseen = row.unseen;
  if (unseen === "down" || unseen === "gap" || unseen === "stale") {
    return say(unseen, "bad", explain(unseen));
  }
  if (age > DELAYED_AFTER || Object.values(row.spread?.reasons ?? {}).includes("line_delayed")) {
    return say("delayed", "bad", explain("line_delayed"));
  }
  if (row.spreadBps === null) {
    const reason = row.reasonOf("spread_bps");
    if (reason === "crossed" || reason === "thin") return say(reason, "fair", explain(reason));
  }
  if (row.observations === 0) return say("quiet", "fair", explain("quiet"));
  return say("live", "good", "seen without a break up to this moment");
}
