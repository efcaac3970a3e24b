/** The last so many seconds of one number, a hole where a second is unknown. Never grows. */

export class SecondRing {
  private readonly values: Float64Array;
  private newest = -1;

  constructor(readonly seconds: number) {
    this.values = new Float64Array(seconds).fill(NaN);
  }

  /** The newest second written, -1 before the first. */
  get end(): number {
    return this.newest;
  }

  /** Writes a second in any order; one that is older than the ring reaches is let go. */
  set(second: number, value: number | null): void {
    if (second <= this.newest - this.seconds) return;
    if (this.newest >= 0 && second > this.newest) {
      // What lies between was never told.
      const first = Math.max(this.newest + 1, second - this.seconds + 1);
      for (let s = first; s < second; s += 1) this.values[s % this.seconds] = NaN;
    }
    this.values[second % this.seconds] = value ?? NaN;
    this.newest = Math.max(this.newest, second);
  }

  /** The value of a second, NaN where it is a hole. */
  get(second: number): number {
    if (second > this.newest || second <= this.newest - this.seconds || second < 0) return NaN;
    return this.values[second % this.seconds] ?? NaN;
  }
}
