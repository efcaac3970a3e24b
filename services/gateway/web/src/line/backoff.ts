/** Waiting times between attempts: full jitter, so that many pages do not come back at once. */

export class Backoff {
  private attempts = 0;

  constructor(
    private readonly firstMs: number,
    private readonly mostMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  next(): number {
    const limit = Math.min(this.mostMs, this.firstMs * 2 ** this.attempts);
    this.attempts += 1;
    return this.random() * limit;
  }

  reset(): void {
    this.attempts = 0;
  }
}
