/** What a view of one coin, one market or the correlations is given, and what it does. */

import type { Item } from "./contract";
import type { Circumstances } from "./freshness";
import type { ServerClock } from "./line/clock";
import type { Rest } from "./line/rest";
import type { Stream } from "./line/stream";
import type { MarketBook } from "./market-book";
import type { Theme } from "./theme";

export interface Surroundings {
  /** Where `/v1/stream` is, for views that need a connection of their own. */
  address: string;
  stream: Stream;
  rest: Rest;
  book: MarketBook;
  clock: ServerClock;
  /** Where time stands, in seconds: the gateway's now; in a replay its newest event time. */
  present: () => number;
  key: () => string | null;
  theme: Theme;
  /** Asks for a call of `render`. */
  request: () => void;
}

export interface View {
  readonly title: string;
  /** Values of the channels that it subscribed on the page's connection. */
  take(items: Item[]): void;
  render(circumstances: Circumstances): void;
  /** The connection is there again: what was asked over REST may be old. */
  cameBack(): void;
  /** Ends everything it began: subscriptions, requests, charts. */
  close(): void;
}
