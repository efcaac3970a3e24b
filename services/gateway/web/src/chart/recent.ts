/** One market's last 15 minutes, kept up to date over a connection of its own. */

import { isSpread, secondsOf, type Spread } from "../contract";
import { Stream, type LineState } from "../line/stream";
import type { Surroundings } from "../view";
import { HISTORY_SECONDS, History } from "./history";

// The gateway keeps 15 minutes; asked for to the second, the oldest would be gone on arrival. One
// that has not run for so long gives nothing of what was asked for, so less is asked for then.
const REACHES = [HISTORY_SECONDS - 8, 800, 700, 600, 500, 400, 300, 200, 120, 60, 30];
// Asking again is worth its while where it asks for so much less, in seconds.
const LESS = 15;

export class Recent {
  readonly history = new History();
  line: LineState = "connecting";
  /** Why the gateway gives nothing of this market; empty where it does. */
  refused = "";
  private stream: Stream | null = null;
  private asked = 0;
  /** From where on the gateway has not given what was asked for. */
  private refusedFrom = -Infinity;
  private snapshotAt = 0;
  /** Where event time stood when the gateway did not know the market; Infinity where it does. */
  private unknownAt = Infinity;

  constructor(
    readonly market: string,
    private readonly around: Surroundings,
  ) {}

  /** Opens once it is known where event time stands; 2024 in a replay of 2024. */
  open(): void {
    const { address, book, clock, key, request } = this.around;
    const row = book.rows.get(this.market);
    // While a system starts, a market may become known after it was asked for.
    if (row && row.asOf > this.unknownAt) {
      this.unknownAt = Infinity;
      this.refused = "";
      this.close();
    }
    if (this.stream || book.newestAsOf <= 0) return;
    // Nothing is missed of a market that was last seen before: its last row says why.
    if (row?.spread && this.history.end < 0 && row.asOf <= book.newestAsOf - HISTORY_SECONDS) {
      this.history.take(row.spread);
    }
    const resume = () => {
      // After a long loss the table's connection may not be back yet: the snapshot said it then.
      const from = this.nextFrom(Math.max(book.newestAsOf, this.snapshotAt));
      this.asked = Math.max(from ?? 0, this.history.end);
      return { [this.market]: this.asked };
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
            if (isSnapshot && this.asksAgain(data)) return;
            this.refusedFrom = -Infinity;
            this.history.take(data);
          }
          request();
        },
        state: (state) => {
          this.line = state;
          request();
        },
        error: (code, detail) => {
          this.refused = detail;
          if (code === "unknown_key") {
            this.refused = `No market ${this.market} here.`;
            this.unknownAt = book.newestAsOf;
          }
          request();
        },
      },
    );
  }

  /** Asks for less where a snapshot came in place of what was asked for, and there is less. */
  private asksAgain(snapshot: Spread): boolean {
    this.snapshotAt = secondsOf(snapshot.as_of);
    this.refusedFrom = this.asked;
    if (this.snapshotAt <= this.history.end + 1) return false;
    if (this.nextFrom(this.snapshotAt) === undefined) return false;
    this.close();
    this.open();
    return true;
  }

  /** The furthest back that has not been refused yet. */
  private nextFrom(newest: number): number | undefined {
    return REACHES.map((reach) => newest - reach).find((from) => from > this.refusedFrom + LESS);
  }

  close(): void {
    this.stream?.close();
    this.stream = null;
  }
}
