/** What the gateway sends: the part of the public interface that this page reads. */

export type Reason =
  | "thin"
  | "warming"
  | "quiet"
  | "gap"
  | "stale"
  | "down"
  | "crossed"
  | "no_trades"
  | "not_mean_reverting"
  | "line_delayed";

export interface SpreadWindow {
  mean: number | null;
  mean_bps: number | null;
  tick_mean: number | null;
  min: number | null;
  max: number | null;
  n: number;
  coverage: number;
}

export interface Spread {
  market: string;
  as_of: string;
  bid: number | null;
  ask: number | null;
  mid: number | null;
  spread: number | null;
  spread_bps: number | null;
  windows: Record<string, SpreadWindow>;
  imbalance?: number | null;
  effective_bps?: number | null;
  trades_n?: number;
  realised_5s_bps?: number | null;
  realised_60s_bps?: number | null;
  impact_5s_bps?: number | null;
  impact_60s_bps?: number | null;
  realised_5s_n?: number;
  realised_60s_n?: number;
  trades_coverage?: number;
  baseline_bps?: number | null;
  baseline_sigma?: number | null;
  z?: number | null;
  z_n?: number;
  half_life_s?: number | null;
  half_life_n?: number;
  stale: boolean;
  reasons: Record<string, Reason>;
}

export interface Quote {
  market: string;
  time: string;
  bid: number | null;
  ask: number | null;
}

export type FeedStatus = "connecting" | "live" | "quiet" | "stale" | "gap" | "down";

export interface Feed {
  market: string;
  exchange: string;
  status: FeedStatus;
  detail: string | null;
  since: string;
  as_of: string;
  last_frame: string | null;
  quotes: number;
  trades: number;
  gaps: number;
  trades_lost: number;
  reconnects: number;
  clock_skew_ms: number | null;
}

export type Source = "simulated" | "live" | "none";

/** One value of a channel and key, whether it came alone, in a batch or as a snapshot. */
export interface Item {
  channel: string;
  key: string;
  seq: number;
  data: unknown;
  /** Where a subscription begins, and not something that was missed. */
  isSnapshot: boolean;
}

export type ServerMessage =
  | { type: "items"; items: Item[] }
  | { type: "heartbeat"; ts: string }
  | { type: "subscribed"; id: number }
  | { type: "reconnect"; withinSeconds: number }
  | { type: "conflated"; dropped: number }
  | { type: "error"; code: string; detail: string }
  | { type: "other" };

export type Fields = Record<string, unknown>;

/** The message of a text frame; fields may be added to it, so what is not known is `other`. */
export function readMessage(text: string): ServerMessage {
  const message = JSON.parse(text) as unknown;
  if (!isFields(message)) return { type: "other" };
  switch (message["type"]) {
    case "snapshot":
    case "update":
      return { type: "items", items: itemsOf(message["channel"], [message]) };
    case "batch":
      return { type: "items", items: itemsOf(message["channel"], message["items"]) };
    case "heartbeat":
      return { type: "heartbeat", ts: String(message["ts"]) };
    case "subscribed":
      return { type: "subscribed", id: Number(message["id"]) };
    case "reconnect":
      return { type: "reconnect", withinSeconds: Number(message["within_seconds"]) || 0 };
    case "conflated":
      return { type: "conflated", dropped: Number(message["dropped"]) || 0 };
    case "error":
      return { type: "error", code: String(message["code"]), detail: String(message["detail"]) };
    default:
      return { type: "other" };
  }
}

export function isSpread(data: unknown): data is Spread {
  return isFields(data) && typeof data["as_of"] === "string" && isFields(data["windows"]);
}

export function isQuote(data: unknown): data is Quote {
  return isFields(data) && typeof data["time"] === "string" && "bid" in data && "ask" in data;
}

export function isFeed(data: unknown): data is Feed {
  return isFields(data) && typeof data["status"] === "string" && "reconnects" in data;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A finite number, else null: what is not known must not become 0. */
export function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Seconds since the epoch of an ISO time, NaN where it is none. */
export function secondsOf(value: unknown): number {
  return typeof value === "string" ? Date.parse(value) / 1000 : NaN;
}

/** The reasons beside the figures, by field. */
export function reasonsOf(fields: Fields): Record<string, Reason> {
  return isFields(fields["reasons"]) ? (fields["reasons"] as Record<string, Reason>) : {};
}

function itemsOf(channel: unknown, items: unknown): Item[] {
  if (typeof channel !== "string" || !Array.isArray(items)) return [];
  const read: Item[] = [];
  for (const item of items as unknown[]) {
    // A key without a value yet has an empty snapshot.
    if (!isFields(item) || typeof item["key"] !== "string" || !isFields(item["data"])) continue;
    const isSnapshot = item["type"] === "snapshot";
    read.push({
      channel,
      key: item["key"],
      seq: Number(item["seq"]),
      data: item["data"],
      isSnapshot,
    });
  }
  return read;
}
