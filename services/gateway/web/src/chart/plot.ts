/** Lines over time, in UTC; plots on one page share their crosshair. */

import uPlot from "uplot";
import { mark } from "../format";
import type { Theme } from "../theme";
import type { Column, Hole } from "./history";

const AXIS_WIDTH = 78;
const AXIS_WIDTH_NARROW = 62;
const NARROW = 500;
const FONT = "11px ui-sans-serif, system-ui, sans-serif";
const SYNC = "market";
// A figure of a second is that of the moment before it ends, so the step is drawn before it.
const stepped = uPlot.paths.stepped?.({ align: -1 });

export interface Line {
  field: string;
  colour: string;
  width: number;
  dash?: number[];
}

export interface PlotSpec {
  fields: Line[];
  /** Two lines, by their places in `fields`, with the space between them filled. */
  band?: { upper: number; lower: number; colour: string };
  /** Values that hold at their time only, not since the one before. */
  straight?: boolean;
  range?: uPlot.Range.MinMax;
}

export const PRICE_SPEC: PlotSpec = {
  fields: [
    { field: "bid", colour: "bid", width: 1.25 },
    { field: "ask", colour: "ask", width: 1.25 },
  ],
};

export const SPREAD_SPEC: PlotSpec = {
  fields: [
    { field: "spreadBps", colour: "spark", width: 1.1 },
    { field: "meanBps", colour: "accent", width: 1.75 },
  ],
};

export class Plot {
  private readonly plot: uPlot;
  private holes: Hole[] = [];

  constructor(
    private readonly host: HTMLElement,
    spec: PlotSpec,
    private readonly theme: Theme,
    pointed: (second: number | null) => void,
  ) {
    const grid = { stroke: theme.colour("grid"), width: 1 };
    const axis = { stroke: theme.colour("muted"), font: FONT, ticks: { show: false }, grid };
    const options: uPlot.Options = {
      width: host.clientWidth || 300,
      height: host.clientHeight || 200,
      // Times are UTC everywhere on this page.
      tzDate: (second) => uPlot.tzDate(new Date(second * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: {
        drag: { x: false, y: false },
        sync: { key: SYNC, setSeries: false },
        points: { size: 6 },
      },
      scales: { y: { range: (_, least, most) => spec.range ?? rangeOf(least, most) } },
      axes: [
        { ...axis, space: 72, size: 28, values: (_, splits) => splits.map(timeLabel) },
        {
          ...axis,
          size: host.clientWidth < NARROW ? AXIS_WIDTH_NARROW : AXIS_WIDTH,
          values: (_, splits, __, ___, step) => splits.map((value) => mark(value, step)),
        },
      ],
      series: [
        {},
        ...spec.fields.map(({ field, colour, width, dash }): uPlot.Series => ({
          label: field,
          stroke: theme.colour(colour),
          width,
          spanGaps: false,
          ...(dash ? { dash } : {}),
          ...(stepped && !spec.straight ? { paths: stepped } : {}),
          // A second between two holes has no line to be part of.
          points: { show: true, size: 3, width: 0, fill: theme.colour(colour), filter: alone },
        })),
      ],
      ...(spec.band ? { bands: [bandOf(spec.band, theme)] } : {}),
      hooks: {
        drawClear: [(plot) => this.shade(plot)],
        draw: [(plot) => this.name(plot)],
        setCursor: [
          (plot) => {
            const index = plot.cursor.idx;
            const second = index === null || index === undefined ? null : plot.data[0][index];
            pointed((plot.cursor.left ?? -1) < 0 ? null : (second ?? null));
          },
        ],
      },
    };
    this.plot = new uPlot(options, [[]], host);
  }

  show(data: [number[], ...Column[]], holes: Hole[]): void {
    this.holes = holes;
    this.plot.setData(data as unknown as uPlot.AlignedData);
  }

  resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width > 0 && (width !== this.plot.width || height !== this.plot.height)) {
      this.plot.setSize({ width, height });
    }
  }

  destroy(): void {
    this.plot.destroy();
  }

  private shade(plot: uPlot): void {
    this.eachHole(plot, (context, { left, right, top, height }) => {
      context.fillStyle = this.theme.colour("hole");
      context.fillRect(left, top, right - left, height);
    });
  }

  /** After the lines of the grid, which would go through the words. */
  private name(plot: uPlot): void {
    this.eachHole(plot, (context, { left, right, top }, { why }) => {
      if (right - left < context.measureText(why).width + 8 * uPlot.pxRatio) return;
      context.fillStyle = this.theme.colour("muted");
      context.fillText(why, (left + right) / 2, top + 6 * uPlot.pxRatio);
    });
  }

  private eachHole(
    plot: uPlot,
    draw: (context: CanvasRenderingContext2D, place: Place, hole: Hole) => void,
  ): void {
    const { ctx: context, bbox } = plot;
    context.save();
    context.beginPath();
    context.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    context.clip();
    context.textAlign = "center";
    context.textBaseline = "top";
    context.font = FONT.replace("11px", `${11 * uPlot.pxRatio}px`);
    for (const hole of this.holes) {
      // A second's value is that of the time before it, so the hole begins a second earlier.
      const left = Math.max(bbox.left, plot.valToPos(hole.start - 1, "x", true));
      const right = plot.valToPos(hole.end, "x", true);
      draw(context, { left, right, top: bbox.top, height: bbox.height }, hole);
    }
    context.restore();
  }
}

interface Place {
  left: number;
  right: number;
  top: number;
  height: number;
}

function bandOf({ upper, lower, colour }: NonNullable<PlotSpec["band"]>, theme: Theme): uPlot.Band {
  return { series: [upper + 1, lower + 1], fill: theme.colour(colour) };
}

/** A little room above and below; a line that does not move lies in the middle. */
function rangeOf(least: number | null, most: number | null): uPlot.Range.MinMax {
  if (least === null || most === null) return [null, null];
  const room = (most - least) * 0.08 || Math.abs(most) * 0.001 || 1;
  return [least - room, most + room];
}

function timeLabel(second: number): string {
  const iso = new Date(second * 1000).toISOString();
  if (second % 86_400 === 0) return iso.slice(5, 10);
  return second % 60 === 0 ? iso.slice(11, 16) : iso.slice(11, 19);
}

function alone(plot: uPlot, seriesIndex: number): number[] {
  const values = plot.data[seriesIndex] ?? [];
  const found: number[] = [];
  for (let i = 0; i < values.length; i += 1) {
    if (values[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  }
  return found;
}
