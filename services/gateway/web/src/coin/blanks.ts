/** Shades on the candles where nothing is held or nothing was seen, with a word in each. */

import type {
  IChartApi,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from "lightweight-charts";
import type { Theme } from "../theme";
import type { Blank } from "./bars";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];

const LEAST_WIDTH_FOR_WORDS = 48;

export class Blanks implements ISeriesPrimitive {
  private blanks: Blank[] = [];
  private requestUpdate: (() => void) | null = null;
  private readonly views: IPrimitivePaneView[];

  constructor(
    private readonly chart: IChartApi,
    private readonly theme: Theme,
  ) {
    const shades: IPrimitivePaneRenderer = { draw: (target) => this.shade(target) };
    const words: IPrimitivePaneRenderer = { draw: (target) => this.name(target) };
    // The lines of the grid lie between, and would go through the words.
    this.views = [
      { zOrder: () => "bottom", renderer: () => shades },
      { zOrder: () => "normal", renderer: () => words },
    ];
  }

  show(blanks: Blank[]): void {
    this.blanks = blanks;
    this.requestUpdate?.();
  }

  attached({ requestUpdate }: SeriesAttachedParameter): void {
    this.requestUpdate = requestUpdate;
  }

  detached(): void {
    this.requestUpdate = null;
  }

  paneViews(): IPrimitivePaneView[] {
    return this.views;
  }

  private shade(target: Target): void {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.fillStyle = this.theme.colour("hole");
      for (const { left, right } of this.places()) {
        context.fillRect(left, 0, Math.max(1, right - left), mediaSize.height);
      }
    });
  }

  private name(target: Target): void {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.font = "11px ui-sans-serif, system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "top";
      context.fillStyle = this.theme.colour("muted");
      for (const { left, right, label } of this.places()) {
        if (right - left < LEAST_WIDTH_FOR_WORDS) continue;
        context.fillText(label, (Math.max(0, left) + Math.min(mediaSize.width, right)) / 2, 8);
      }
    });
  }

  private places(): { left: number; right: number; label: string }[] {
    return this.blanks.flatMap(({ start, end, label }) => {
      const [left, right] = [this.xOf(start), this.xOf(end)];
      return left === null || right === null ? [] : [{ left, right, label }];
    });
  }

  /** Where a bar that begins at this time has its left edge. */
  private xOf(time: number): number | null {
    const scale = this.chart.timeScale();
    const index = scale.timeToIndex(time as UTCTimestamp as Time, true);
    if (index === null) return null;
    const middle = scale.logicalToCoordinate(
      index as unknown as Parameters<typeof scale.logicalToCoordinate>[0],
    );
    if (middle === null) return null;
    const half = scale.options().barSpacing / 2;
    // The time after the last bar has none of its own; its edge is that bar's right one.
    const found = scale.coordinateToTime(middle);
    return typeof found === "number" && found < time ? middle + half : middle - half;
  }
}
