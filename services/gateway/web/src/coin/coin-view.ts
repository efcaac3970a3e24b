/** One coin: its candles, its spread, its venues, and what an order in it would cost. */

import type { Item } from "../contract";
import { element } from "../element";
import type { MarketRow } from "../market-row";
import type { Surroundings, View } from "../view";
import { CandlePanel } from "./candle-panel";
import { Picker } from "../picker";
import { RouteBox } from "./route-box";
import { SpreadPanel } from "./spread-panel";
import { SuggestionBox } from "./suggestion-box";
import { VenuesPanel } from "./venues-panel";

const COMPOSITE = "";
const PREFERRED_QUOTES = ["USD", "USDT", "EUR"];

export class CoinView implements View {
  readonly title: string;
  private readonly quote = new Picker("Quote", () => this.choose());
  private readonly exchange = new Picker("Exchange", () => this.choose());
  private readonly spreadMarket = new Picker("Market", () => this.around.request());
  private readonly orderMarket = new Picker("Market", () => undefined);
  private readonly candles: CandlePanel;
  private readonly spread: SpreadPanel;
  private readonly venues: VenuesPanel;
  private readonly suggestion: SuggestionBox;
  private readonly route: RouteBox;
  private readonly unknown: HTMLElement;
  private generation = -1;
  private chosen = "";

  constructor(
    private readonly host: HTMLElement,
    private readonly coin: string,
    private readonly around: Surroundings,
  ) {
    this.title = coin;
    this.candles = new CandlePanel(around);
    this.spread = new SpreadPanel(around, this.spreadMarket);
    this.venues = new VenuesPanel(around, coin);
    this.suggestion = new SuggestionBox(around, this.orderMarket);
    this.route = new RouteBox(around, coin);
    this.unknown = element(
      "p",
      { class: "empty", role: "status" },
      "Waiting for the first figures…",
    );
    const head = element("div", { class: "chart-head" });
    head.append(
      element("a", { class: "back", href: "#/" }, "← All markets"),
      element("h1", {}, coin),
      this.quote.node,
      this.exchange.node,
      this.candles.ranges.node,
    );
    const right = element(
      "div",
      { class: "column" },
      this.venues.node,
      this.suggestion.node,
      this.route.node,
    );
    const left = element("div", { class: "column" }, this.candles.node, this.spread.node);
    const maker = element("p", { class: "chart-note attribution" }, "Candles are drawn with ");
    maker.append(
      element(
        "a",
        { href: "https://www.tradingview.com/", rel: "noopener noreferrer", target: "_blank" },
        "TradingView Lightweight Charts™",
      ),
      ", copyright © TradingView, Inc. ",
      element("a", { href: "/assets/lightweight-charts-LICENSE.txt" }, "Licence"),
      ".",
    );
    host.replaceChildren(
      head,
      this.unknown,
      element("div", { class: "columns" }, left, right),
      element("datalist", { id: "currencies" }),
      maker,
    );
  }

  take(items: Item[]): void {
    this.candles.take(items);
  }

  render(): void {
    const { book } = this.around;
    if (this.generation !== book.generation) {
      this.generation = book.generation;
      this.offer();
    }
    this.candles.render();
    this.spread.render();
  }

  cameBack(): void {
    if (this.chosen) this.candles.load();
  }

  close(): void {
    this.candles.close();
    this.spread.close();
    this.venues.close();
    this.suggestion.close();
    this.route.close();
    this.host.replaceChildren();
  }

  /** Every market of this coin that is known so far; more may come. */
  private offer(): void {
    const rows = this.rows();
    this.unknown.hidden = rows.length > 0;
    if (rows.length === 0) {
      if (this.around.book.rows.size > 0)
        this.unknown.textContent = `No market of ${this.coin} here.`;
      return;
    }
    const quotes = [...new Set(rows.map((row) => row.quoteCurrency))].sort();
    const preferred = PREFERRED_QUOTES.find((quote) => quotes.includes(quote)) ?? "";
    this.quote.offer(
      quotes.map((quote) => ({ value: quote, text: quote })),
      preferred,
    );
    const markets = rows
      .map(({ market, exchange, pair }) => ({ value: market, text: `${pair} ${exchange}` }))
      .sort((a, b) => (a.text < b.text ? -1 : 1));
    const first = rows.find((row) => row.quoteCurrency === this.quote.value)?.market;
    this.spreadMarket.offer(markets, first);
    this.orderMarket.offer(markets, first);
    const exchanges = [...new Set(rows.map((row) => row.exchange))].sort();
    this.route.exchange.offer([
      { value: "", text: "Any" },
      ...exchanges.map((exchange) => ({ value: exchange, text: exchange })),
    ]);
    const all = [...this.around.book.rows.values()];
    const currencies = new Set(all.flatMap((row) => [row.coin, row.quoteCurrency]));
    this.host
      .querySelector("datalist")
      ?.replaceChildren(...[...currencies].sort().map((value) => element("option", { value })));
    this.choose();
  }

  private choose(): void {
    const quote = this.quote.value;
    const rows = this.rows().filter((row) => row.quoteCurrency === quote);
    const exchanges = rows.map((row) => row.exchange).sort();
    this.exchange.offer([
      { value: COMPOSITE, text: "All (composite)" },
      ...exchanges.map((exchange) => ({ value: exchange, text: exchange })),
    ]);
    const exchange = this.exchange.value || null;
    const markets = rows.filter((row) => exchange === null || row.exchange === exchange);
    const picked = `${quote} ${exchange ?? ""}`;
    const chosen = `${picked} ${markets.map((row) => row.market).join(" ")}`;
    if (chosen === this.chosen) return;
    // A market that only joins the others leaves the other lists as the reader set them.
    const isPicked = !this.chosen.startsWith(`${picked} `);
    this.chosen = chosen;
    this.venues.show(quote);
    const market = markets[0]?.market;
    if (isPicked) this.route.payWith(quote);
    if (isPicked && market) this.spreadMarket.value = this.orderMarket.value = market;
    this.candles.choose(
      { coin: this.coin, quote, exchange },
      markets.map((row) => row.market),
    );
  }

  private rows(): MarketRow[] {
    return [...this.around.book.rows.values()]
      .filter((row) => row.coin === this.coin)
      .sort((a, b) => (a.market < b.market ? -1 : 1));
  }
}
