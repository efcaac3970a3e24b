/** Candles, their volume below, and lines over or under them. */

import {
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  HistogramSeries,
  LineSeries,
  createChart,
  type CandlestickData,
  type IChartApi,
  type ISeriesApi,
  type LineData,
  type UTCTimestamp,
  type WhitespaceData,
} from "lightweight-charts";
import { decimalsOf, fixed } from "../format";
import type { Theme } from "../theme";
import { INTERVAL_SECONDS, type Bar, type Blank, type Span } from "./bars";
import { Blanks } from "./blanks";
import type { Figures, Indicator } from "./indicators";

// What comes from REST candles is drawn this much fainter; of what a capture saw, the edge alone.
const PALER = "80";
const HOLLOW = "00";
const FONT = "ui-sans-serif, system-ui, sans-serif";

type Point = WhitespaceData<UTCTimestamp>;

export class CandleChart {
  private readonly chart: IChartApi;
  private readonly candles: ISeriesApi<"Candlestick">;
  private readonly volume: ISeriesApi<"Histogram">;
  private readonly lines = new Map<string, ISeriesApi<"Line">>();
  private readonly blanks: Blanks;
  private span: Span | null = null;
  private slots = 0;
  private decimals = 2;

  constructor(
    host: HTMLElement,
    private readonly theme: Theme,
    pointed: (start: number | null) => void,
  ) {
    this.chart = createChart(host, {
      autoSize: true,
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false, minimumWidth: 64 },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        secondsVisible: false,
        fixLeftEdge: true,
        fixRightEdge: true,
        minBarSpacing: 0.2,
      },
      // A finger that goes up or down, and the wheel, belong to the page.
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
      localization: { locale: "en-GB" },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, {
      priceLineVisible: false,
    });
    this.volume = this.chart.addSeries(
      HistogramSeries,
      { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false },
      1,
    );
    this.chart.panes()[0]?.setStretchFactor(4);
    this.chart.panes()[1]?.setStretchFactor(1);
    this.blanks = new Blanks(this.chart, theme);
    this.candles.attachPrimitive(this.blanks);
    this.chart.subscribeCrosshairMove(({ time }) =>
      pointed(typeof time === "number" ? time : null),
    );
    this.paint();
  }

  /** Takes the colours of the theme. */
  paint(): void {
    const { theme } = this;
    this.chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: theme.colour("surface") },
        textColor: theme.colour("muted"),
        fontFamily: FONT,
        fontSize: 11,
        panes: { separatorColor: theme.colour("edge"), enableResize: false },
        // Its licence asks for a link to its makers; this is theirs.
        attributionLogo: true,
      },
      grid: {
        vertLines: { color: theme.colour("grid") },
        horzLines: { color: theme.colour("grid") },
      },
    });
    this.candles.applyOptions({
      upColor: theme.colour("bid"),
      wickUpColor: theme.colour("bid"),
      borderUpColor: theme.colour("bid"),
      downColor: theme.colour("ask"),
      wickDownColor: theme.colour("ask"),
      borderDownColor: theme.colour("ask"),
    });
  }

  show(bars: Map<number, Bar>, span: Span, blanks: Blank[]): void {
    const whole = this.isWhole(span);
    this.span = span;
    this.learnDecimals(bars.values());
    const candles: (CandlestickData<UTCTimestamp> | Point)[] = [];
    const volumes: ({ time: UTCTimestamp; value: number; color: string } | Point)[] = [];
    const [up, down] = [this.theme.colour("bid"), this.theme.colour("ask")];
    for (const time of this.times(span)) {
      const bar = bars.get(time);
      if (
        !bar ||
        bar.open === null ||
        bar.high === null ||
        bar.low === null ||
        bar.close === null
      ) {
        candles.push({ time });
        volumes.push({ time });
        continue;
      }
      const { open, high, low, close } = bar;
      const plain = close >= open ? up : down;
      const edge = bar.source === "live" || bar.source === "capture" ? plain : plain + PALER;
      const color = bar.source === "capture" ? plain + HOLLOW : edge;
      candles.push({ time, open, high, low, close, color, wickColor: edge, borderColor: edge });
      const faint = plain + (bar.source === "live" ? "99" : "4d");
      volumes.push(bar.volume === null ? { time } : { time, value: bar.volume, color: faint });
    }
    this.slots = candles.length;
    this.candles.setData(candles);
    this.volume.setData(volumes);
    this.blanks.show(blanks);
    if (whole) this.chart.timeScale().fitContent();
  }

  /** Draws the lines of these indicators, and takes away all others. */
  showIndicators(shown: Indicator[], figures: Map<number, Figures>, span: Span): void {
    const wanted = new Set(shown.flatMap(({ fields }) => fields));
    for (const [field, line] of this.lines) {
      if (wanted.has(field)) continue;
      this.chart.removeSeries(line);
      this.lines.delete(field);
    }
    for (const indicator of shown) {
      for (const field of indicator.fields) {
        const line = this.lines.get(field) ?? this.addLine(field, indicator);
        line.applyOptions({ color: this.theme.colour(indicator.colour) });
        line.setData(this.points(field, figures, span));
      }
    }
    // Panes below close up by themselves when one goes.
    this.chart.panes().forEach((pane, index) => pane.setStretchFactor(index === 0 ? 4 : 1));
  }

  destroy(): void {
    this.chart.remove();
    this.lines.clear();
  }

  private addLine(field: string, { place, kind }: Indicator): ISeriesApi<"Line"> {
    const line = this.chart.addSeries(
      LineSeries,
      {
        lineWidth: field.startsWith("bollinger") ? 1 : 2,
        priceLineVisible: false,
        lastValueVisible: place === "pane",
        crosshairMarkerVisible: false,
        priceFormat:
          kind === "percent"
            ? {
                type: "custom",
                minMove: 0.0001,
                formatter: (value: number) => `${fixed(value * 100, 1)}%`,
              }
            : { type: "price", ...this.precision(kind === "number" ? 1 : this.decimals) },
      },
      place === "price" ? 0 : this.chart.panes().length,
    );
    this.lines.set(field, line);
    return line;
  }

  private points(
    field: string,
    figures: Map<number, Figures>,
    span: Span,
  ): (LineData<UTCTimestamp> | Point)[] {
    return this.times(span).map((time) => {
      const value = figures.get(time)?.values.get(field) ?? null;
      return value === null ? { time } : { time, value };
    });
  }

  /** Every bar's time has its place, so that what is missing takes its room. */
  private times({ start, end, interval }: Span): UTCTimestamp[] {
    const length = INTERVAL_SECONDS[interval];
    const count = Math.max(0, Math.round((end - start) / length));
    return Array.from({ length: count }, (_, i) => (start + i * length) as UTCTimestamp);
  }

  /** Whether all is in sight: then it stays so when a bar is added, else the reader's part stays. */
  private isWhole(next: Span): boolean {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range || !this.span || this.span.interval !== next.interval) return true;
    if (next.end - next.start !== this.span.end - this.span.start) return true;
    return range.to - range.from >= this.slots - 1.5;
  }

  private learnDecimals(bars: Iterable<Bar>): void {
    let decimals = 0;
    for (const { close, high } of bars) {
      for (const price of [close, high]) {
        if (price !== null && price > 0) decimals = Math.max(decimals, decimalsOf(price));
      }
    }
    if (decimals === this.decimals) return;
    this.decimals = decimals;
    this.candles.applyOptions({ priceFormat: { type: "price", ...this.precision(decimals) } });
  }

  private precision(decimals: number): { precision: number; minMove: number } {
    return { precision: decimals, minMove: Number((10 ** -decimals).toFixed(decimals)) };
  }
}
