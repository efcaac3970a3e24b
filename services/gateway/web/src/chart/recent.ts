/** One market's last 15 minutes, kept up to date over a connection of its own. */

import { isSpread } from "../contract";
import { Stream, type LineState } from "../line/stream";
import type { Surroundings } from "../view";
import { HISTORY_SECONDS, History } from "./history";

// The gateway keeps 15 minutes; asked for to the second, the oldest would be gone on arrival. One
// that has not run for so long gives nothing of what was asked for, so less is asked for then.
const REACHES = [HISTORY_SECONDS - 8, 600, 400, 240, 120, 60, 30];

export class Recent {
  readonly history = new History();
  line: LineState = "connecting";
  /** Why the gateway gives nothing of this market; empty where it does. */
  refused = "";
  private stream: Stream | null = null;
  private reach = 0;

  constructor(
    readonly market: string,
    private readonly around: Surroundings,
  ) {}

  /** Opens once it is known where event time stands; 2024 in a replay of 2024. */
  open(): void {
    const { address, book, clock, key, request } = this.around;
    if (this.stream || book.newestAsOf <= 0) return;
    const resume = () => {
      const oldest = book.newestAsOf - (REACHES[this.reach] ?? 0);
      return { [this.market]: Math.max(oldest, this.history.end) };
    };
    // A connection of its own: on the table's the hub has sent this market's newest already,
    // and sends nothing that is older.
    this.stream = new Stream(
      address,
      [{ channel: "spreads", keys: [this.market], resume }],
      clock,
      key,
      {
        items: (items) => {
          for (const { channel, key: market, data, isSnapshot } of items) {
            if (channel !== "spreads" || market !== this.market || !isSpread(data)) continue;
            if (isSnapshot && this.history.end < 0 && this.reachLess()) return;
            this.history.take(data);
          }
          request();
        },
        state: (state) => {
          this.line = state;
          request();
        },
        error: (code, detail) => {
          this.refused = code === "unknown_key" ? `No market ${this.market} here.` : detail;
          request();
        },
      },
    );
  }

  /** Asks anew for less; false where there is no less. */
  private reachLess(): boolean {
    if (this.reach >= REACHES.length - 1) return false;
    this.reach += 1;
    this.close();
    this.open();
    return true;
  }

  close(): void {
    this.stream?.close();
    this.stream = null;
  }
}
