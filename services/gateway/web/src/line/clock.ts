/** The gateway's time, from its heartbeats: this machine's own clock may be wrong by minutes. */

const KEPT = 30;

export class ServerClock {
  // A heartbeat is old by its way here, so the greatest difference is the truest one.
  private readonly differences: number[] = [];
  private offset = 0;

  constructor(private readonly local: () => number = Date.now) {}

  heartbeat(ts: string): void {
    const sent = Date.parse(ts);
    if (Number.isNaN(sent)) return;
    this.differences.push(sent - this.local());
    if (this.differences.length > KEPT) this.differences.shift();
    this.offset = Math.max(...this.differences);
  }

  /** Whether the gateway has said its time yet. */
  get isKnown(): boolean {
    return this.differences.length > 0;
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.local() + this.offset;
  }
}
