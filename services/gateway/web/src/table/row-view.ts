/** One row on the screen. It belongs to a market while that is in sight, then to another one. */

import { LiveAttribute, LiveText, element } from "../element";
import { NOTHING, age, basisPoints, fixed, percent, ratio } from "../format";
import type { Freshness } from "../freshness";
import type { MarketRow, PriceField } from "../market-row";
import { explain } from "../reasons";
import { coinHashOf, hashOf } from "../route";
import { COLUMNS } from "./columns";
import { drawSpark, newSparkCanvas, type SparkColours } from "./sparkline";

export interface RowContext {
  freshness: Freshness;
  /** Where the sparkline's right end stands. */
  second: number;
  colours: SparkColours;
  /** Rises when everything is to be drawn anew, as after a change of theme. */
  epoch: number;
}

export class RowView {
  readonly node = element("div", { role: "row", class: "row" });
  readonly link = element("a", { class: "name", draggable: "false" });

  private readonly coinLink = element("a", { class: "coin", draggable: "false" });
  private readonly coin = new LiveText(this.coinLink);
  private readonly against = new LiveText(element("span"));
  private readonly badge = new LiveText(element("span", { class: "badge" }));
  private readonly worth = new LiveAttribute(this.badge.host, "data-worth");
  private readonly rowWorth = new LiveAttribute(this.node, "data-worth");
  private readonly rowIndex = new LiveAttribute(this.node, "aria-rowindex");
  private readonly place = new LiveAttribute(this.node, "style");
  private readonly ageText = new LiveText(element("span", { class: "age" }));
  private readonly bar = element("i", { class: "bar", "aria-hidden": "true" });
  private readonly canvas = newSparkCanvas();
  private readonly quoteCurrency = new LiveText(element("span", { class: "quote-currency" }));
  private readonly texts: Record<string, LiveText> = {};
  private row: MarketRow | null = null;
  private drawn = "";
  private version = -1;
  private barAt = NaN;

  constructor() {
    this.link.append(this.quoteCurrency.host);
    for (const { key, title, numeric } of COLUMNS) {
      const cell = element("div", {
        role: "cell",
        class: `cell ${key}${numeric ? " numeric" : ""}`,
        "data-label": title,
      });
      if (key === "market") cell.append(this.coin.host, this.link);
      else if (key === "against") cell.append(this.bar, this.against.host);
      else if (key === "spark") cell.append(this.canvas);
      else if (key === "state") cell.append(this.badge.host, this.ageText.host);
      else this.texts[key] = new LiveText(cell);
      this.node.append(cell);
    }
  }

  bind(row: MarketRow): void {
    this.row = row;
    this.version = -1;
    this.drawn = "";
    this.node.dataset["market"] = row.market;
    this.link.href = hashOf(row.market);
    this.coinLink.href = coinHashOf(row.coin);
    this.coin.set(row.coin, `${row.coin}: candles, venues, orders`);
    // Read with the coin before it, which is a link of its own.
    this.link.setAttribute("aria-label", row.pair);
    this.quoteCurrency.set(`-${row.quoteCurrency}`);
    this.texts["exchange"]?.set(row.exchange);
  }

  /** Puts the row where it belongs; `index` counts from 0 below the header. */
  placeAt(index: number, height: number): void {
    this.place.set(`transform:translateY(${index * height}px)`);
    this.rowIndex.set(String(index + 2));
  }

  update(context: RowContext): void {
    const { row } = this;
    if (!row) return;
    const { freshness } = context;
    this.badge.set(freshness.standing, freshness.why);
    this.worth.set(freshness.worth);
    this.rowWorth.set(freshness.worth);
    this.ageText.set(freshness.age === null ? NOTHING : age(freshness.age));
    if (this.version !== row.version) {
      this.version = row.version;
      this.updateFigures(row);
    }
    const until = Math.max(context.second, row.spark.end);
    const drawn = `${until} ${row.spark.end} ${row.version > 0} ${context.epoch}`;
    if (this.drawn !== drawn) {
      this.drawn = drawn;
      drawSpark(this.canvas, row.spark, until, context.colours);
    }
  }

  private updateFigures(row: MarketRow): void {
    const price = (key: string, field: PriceField, value: number | null) =>
      this.texts[key]?.set(
        value === null ? NOTHING : fixed(value, row.decimals),
        value === null ? explain(row.reasonOf(field)) : "",
      );
    price("bid", "bid", row.bid);
    price("ask", "ask", row.ask);
    price("spread", "spread", row.spreadNow);
    this.number("bps", row.spreadBps, basisPoints, () => explain(row.reasonOf("spread_bps")));
    this.number(
      "mean",
      row.meanBps,
      basisPoints,
      () => explain(row.reasonOfMean()),
      () => meanTitle(row),
    );
    this.number("coverage", row.coverage, percent, () => explain("warming"));
    this.number("n", row.observations, String, () => explain("warming"));
    const against = row.againstMean;
    if (against === null) {
      const why = row.spreadBps === null ? row.reasonOf("spread_bps") : row.reasonOfMean();
      this.against.set(NOTHING, row.meanBps === 0 ? "its mean is 0" : explain(why));
    } else {
      this.against.set(ratio(against));
    }
    this.moveBar(against);
  }

  private number(
    key: string,
    value: number | null,
    format: (value: number) => string,
    why: () => string,
    title: () => string = () => "",
  ): void {
    if (value === null) this.texts[key]?.set(NOTHING, why());
    else this.texts[key]?.set(format(value), title());
  }

  /** Half as wide and twice as wide are as far from the middle; the ends are a quarter and ×4. */
  private moveBar(against: number | null): void {
    const at = against === null ? 0 : Math.max(-1, Math.min(1, Math.log2(against) / 2));
    if (at === this.barAt) return;
    this.barAt = at;
    this.bar.style.setProperty("--from", at < 0 ? String(0.5 + at / 2) : "0.5");
    this.bar.style.setProperty("--length", String(Math.abs(at) / 2));
    this.bar.dataset["side"] = at < 0 ? "tighter" : "wider";
  }
}

function meanTitle(row: MarketRow): string {
  const window = row.spread?.windows["15s"];
  if (!window || window.mean === null) return "";
  const show = (value: number | null) =>
    value === null ? NOTHING : fixed(value, Math.min(12, row.decimals + 2));
  return (
    `mean ${show(window.mean)} ${row.quoteCurrency}, by quotes ${show(window.tick_mean)}, ` +
    `least ${show(window.min)}, most ${show(window.max)}`
  );
}
