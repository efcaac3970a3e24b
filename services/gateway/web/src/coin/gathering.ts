/** Waits for what comes within a moment, and then calls once, with the oldest of it. */

// The bars of several exchanges' minutes come within this of each other.
const GATHER_MS = 1_200;

export class Gathering {
  private timer = 0;
  private oldest = Infinity;

  /** `call` returns false where it cannot be now: then it is called a moment later. */
  constructor(private readonly call: (oldest: number) => boolean) {}

  add(start: number): void {
    this.oldest = Math.min(this.oldest, start);
    if (!this.timer) this.timer = window.setTimeout(() => this.end(), GATHER_MS);
  }

  cancel(): void {
    window.clearTimeout(this.timer);
    this.timer = 0;
    this.oldest = Infinity;
  }

  private end(): void {
    const { oldest } = this;
    this.cancel();
    if (!this.call(oldest)) this.add(oldest);
  }
}
