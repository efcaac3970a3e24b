/** When the screen is written: in an animation frame, and not more often than an eye follows. */

export class Schedule {
  private pending = false;
  private lastRender = -Infinity;

  constructor(
    private readonly render: (now: number) => void,
    private readonly leastMs: number,
  ) {}

  /** Asks for a frame; many asks make one. While the page is hidden none comes. */
  readonly soon = (): void => {
    if (this.pending) return;
    this.pending = true;
    const wait = this.lastRender + this.leastMs - performance.now();
    if (wait > 4) window.setTimeout(this.frame, wait);
    else this.frame();
  };

  private readonly frame = (): void => {
    window.requestAnimationFrame((now) => {
      this.pending = false;
      this.lastRender = now;
      this.render(now);
    });
  };
}
