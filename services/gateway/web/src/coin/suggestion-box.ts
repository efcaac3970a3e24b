/** An indicative limit price: what it would save against taking, and how often it would be filled. */

import { isFields, numberOf, reasonsOf, textOf, type Fields, type Reason } from "../contract";
import { LiveText, element } from "../element";
import { basisPoints, decimalsOf, fixed, percent, utcTime } from "../format";
import { Latest, type Parameters } from "../line/rest";
import type { Surroundings } from "../view";
import { FigureTiles } from "../figure-tiles";
import { Picker } from "../picker";

const HORIZONS = [5, 15, 60, 300].map((seconds) => ({
  value: String(seconds),
  text: seconds < 60 ? `${seconds} s` : `${seconds / 60} min`,
}));

const TILES = [
  ["price", "Limit price", "The price suggested, on the market's tick"],
  ["saving", "Saving, bps", "What it saves against taking, if it is filled"],
  ["taker", "Taker cost, bps", "Half the spread and the taker's fee"],
  ["maker", "Maker cost, bps", "Adverse selection and the maker's fee, less what the spread gives"],
  ["adverse", "Adverse selection, bps", "How far the mid goes against the one who was filled"],
  ["break-even", "Break-even fill", "How often it must be filled to be worth its while"],
  ["fill", "Fill rate", "How often such a price was reached within the horizon"],
] as const;

export class SuggestionBox {
  readonly node = element("section", { class: "panel box", "aria-labelledby": "suggestion-title" });
  private readonly side: Picker;
  private readonly horizon: Picker;
  private readonly maker = feeInput("Maker fee, bps");
  private readonly taker = feeInput("Taker fee, bps");
  private readonly tiles = new FigureTiles("Suggestion", TILES);
  private readonly assumption = new LiveText(element("p", { class: "chart-note" }));
  private readonly words = new LiveText(element("p", { class: "answer", role: "status" }));
  private readonly latest = new Latest();
  private asked = false;
  /** Whose fees stand in the fields; empty before the first answer. */
  private feesOf = "";

  constructor(
    private readonly around: Surroundings,
    private readonly picker: Picker,
  ) {
    const again = () => {
      if (this.asked) this.ask();
    };
    this.side = new Picker("Side", again, [
      { value: "buy", text: "Buy" },
      { value: "sell", text: "Sell" },
    ]);
    this.horizon = new Picker("Horizon", again, HORIZONS);
    this.horizon.value = "60";
    picker.node.addEventListener("change", again);
    const form = element("form", { class: "box-form" });
    form.append(
      this.side.node,
      picker.node,
      this.horizon.node,
      this.maker.node,
      this.taker.node,
      element("button", { type: "submit", class: "button" }, "Suggest a price"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.tiles.node.hidden = true;
    const title = element("h2", { id: "suggestion-title" }, "Order suggestion ");
    title.append(element("span", { class: "tag" }, "indicative"));
    this.node.append(title, form, this.words.host, this.tiles.node, this.assumption.host);
  }

  close(): void {
    this.latest.cancel();
  }

  private ask(): void {
    const market = this.picker.value;
    if (!market) return;
    this.asked = true;
    const [exchange = ""] = market.split(":");
    // Another exchange has other fees: they are asked for anew.
    if (this.feesOf && this.feesOf !== exchange) {
      this.maker.input.value = this.taker.input.value = "";
    }
    this.feesOf = exchange;
    const parameters: Parameters = {
      market,
      side: this.side.value,
      horizon: this.horizon.value,
      maker_bps: this.maker.input.value || null,
      taker_bps: this.taker.input.value || null,
    };
    this.latest.run(
      (signal) => this.around.rest.get("/v1/orders/suggestion", parameters, signal),
      (answer) => this.show(answer),
      (words) => {
        this.tiles.node.hidden = true;
        this.assumption.set("");
        this.words.host.dataset["worth"] = "bad";
        this.words.set(`Refused: ${words}`);
      },
    );
  }

  private show(answer: Fields): void {
    const { tiles } = this;
    const reasons = reasonsOf(answer);
    const price = numberOf(answer["price"]);
    const tick = numberOf(answer["tick_size"]);
    const bps = (key: string, field: string, remark = "") =>
      tiles.show(key, numberOf(answer[field]), basisPoints, remark, reasons[field]);
    const maker = numberOf(answer["maker_bps"]);
    const taker = numberOf(answer["taker_bps"]);
    const fee = (value: number | null) => (value === null ? "" : `fee ${basisPoints(value)}`);
    const asPrice = (value: number) =>
      fixed(value, tick === null ? decimalsOf(value) : decimalsOf(tick));
    const prices = ["bid", "ask"].map((side) => {
      const value = numberOf(answer[side]);
      return value === null ? "" : `${side} ${asPrice(value)}`;
    });
    tiles.show("price", price, asPrice, prices.filter(Boolean).join(" · "), reasons["price"]);
    bps("saving", "saving_bps");
    bps("taker", "taker_cost_bps", fee(taker));
    bps("maker", "maker_cost_bps", fee(maker));
    bps("adverse", "adverse_selection_bps");
    const even = "break_even_fill_probability";
    tiles.show("break-even", numberOf(answer[even]), (value) => percent(value), "", reasons[even]);
    this.showFill(answer["fill_rate"], reasons);
    // What the gateway assumed can be read and changed.
    if (!this.maker.input.value && maker !== null) this.maker.input.value = String(maker);
    if (!this.taker.input.value && taker !== null) this.taker.input.value = String(taker);
    tiles.node.hidden = false;
    const asOf = Date.parse(textOf(answer["as_of"]));
    const stale = answer["stale"] === true;
    this.words.host.dataset["worth"] = stale ? "bad" : "good";
    this.words.set(
      `${textOf(answer["market"])}, as of ${Number.isNaN(asOf) ? "an unknown time" : `${utcTime(asOf)} UTC`}. ` +
        (stale ? "Stale: the figures behind it are old. " : "") +
        "Indicative, no advice.",
    );
  }

  private showFill(rate: unknown, reasons: Record<string, Reason>): void {
    const fields = isFields(rate) ? rate : {};
    const value = numberOf(fields["rate"]);
    const [low, high] = [numberOf(fields["low"]), numberOf(fields["high"])];
    const n = numberOf(fields["n"]);
    const window = numberOf(fields["window_s"]);
    const parts = [
      low !== null && high !== null ? `${percent(low)} to ${percent(high)}` : "",
      n === null ? "" : `n ${n}`,
      window === null ? textOf(fields["window"]) : `of the last ${window / 60} min`,
    ];
    const assumption = textOf(fields["assumption"]).replaceAll("_", " ");
    this.assumption.set(assumption && `Fill rate: ${assumption}.`);
    const reason = reasons["fill_rate.rate"] ?? reasons["fill_rate"];
    this.tiles.show("fill", value, percent, parts.filter(Boolean).join(" · "), reason);
  }
}

function feeInput(label: string): { node: HTMLElement; input: HTMLInputElement } {
  const input = element("input", {
    type: "number",
    step: "any",
    inputmode: "decimal",
    placeholder: "default",
    size: "8",
  });
  return { node: element("label", { class: "picker" }, element("span", {}, label), input), input };
}
