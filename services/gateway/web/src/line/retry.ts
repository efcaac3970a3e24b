/** Calls again after a failure, later each time: a page that stays open must not need a reader. */

import { Backoff } from "./backoff";

export class Retry {
  private timer = 0;
  private readonly backoff = new Backoff(2_000, 30_000);

  constructor(private readonly call: () => void) {}

  failed(): void {
    this.cancel();
    this.timer = window.setTimeout(this.call, this.backoff.next());
  }

  succeeded(): void {
    this.cancel();
    this.backoff.reset();
  }

  /** What was to be called is called by somebody else, or no longer wanted. */
  cancel(): void {
    window.clearTimeout(this.timer);
  }
}
