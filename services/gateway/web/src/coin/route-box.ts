/** The direct market against two legs over another coin, spreads and fees of all included. */

import { isFields, numberOf, reasonsOf, textOf, type Fields, type Reason } from "../contract";
import { LiveText, element } from "../element";
import { NOTHING, basisPoints, decimalsOf, fixed, utcTime } from "../format";
import { Latest } from "../line/rest";
import { explainFigure, inWords } from "../reasons";
import type { Surroundings } from "../view";
import { Picker } from "../picker";

// They come with the cheapest first.
const SHOWN_AT_MOST = 5;

export class RouteBox {
  readonly node = element("section", { class: "panel box", "aria-labelledby": "route-title" });
  readonly exchange = new Picker("Exchange", () => undefined);
  private readonly from: HTMLInputElement;
  private readonly to: HTMLInputElement;
  private readonly words = new LiveText(element("p", { class: "answer", role: "status" }));
  private readonly routes = element("ol", { class: "routes" });
  private readonly latest = new Latest();

  constructor(
    private readonly around: Surroundings,
    coin: string,
  ) {
    const currency = (label: string, value: string) => {
      const input = element("input", {
        list: "currencies",
        size: "8",
        value,
        required: "",
        autocomplete: "off",
      });
      return {
        input,
        node: element("label", { class: "picker" }, element("span", {}, label), input),
      };
    };
    const from = currency("From", "USD");
    const to = currency("To", coin);
    this.from = from.input;
    this.to = to.input;
    const form = element("form", { class: "box-form" });
    form.append(from.node, to.node, this.exchange.node);
    form.append(element("button", { type: "submit", class: "button" }, "Compare routes"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    const title = element("h2", { id: "route-title" }, "Route ");
    title.append(element("span", { class: "tag" }, "indicative"));
    this.node.append(title, form, this.words.host, this.routes);
  }

  payWith(quote: string): void {
    if (quote) this.from.value = quote;
  }

  close(): void {
    this.latest.cancel();
  }

  private ask(): void {
    const parameters = {
      from: this.from.value.trim().toUpperCase(),
      to: this.to.value.trim().toUpperCase(),
      exchange: this.exchange.value || null,
    };
    this.latest.run(
      (signal) => this.around.rest.get("/v1/orders/route", parameters, signal),
      (answer) => this.show(answer),
      (words) => {
        this.routes.replaceChildren();
        this.words.host.dataset["worth"] = "bad";
        this.words.set(`Refused: ${words}`);
      },
    );
  }

  private show(answer: Fields): void {
    const routes = Array.isArray(answer["routes"]) ? answer["routes"].filter(isFields) : [];
    const best = numberOf(answer["best"]);
    const leftOut = isFields(answer["left_out"]) ? Object.entries(answer["left_out"]) : [];
    const named = leftOut
      .slice(0, SHOWN_AT_MOST)
      .map(([market, why]) => `${market} (${inWords(textOf(why) as Reason)})`);
    const others = leftOut.length - named.length;
    const without = named.join(", ") + (others > 0 ? ` and ${others} more` : "");
    const shown = routes.slice(0, SHOWN_AT_MOST);
    this.routes.replaceChildren(...shown.map((route, index) => routeOf(route, index === best)));
    const asOf = Date.parse(textOf(answer["as_of"]));
    const when = Number.isNaN(asOf) ? "" : `, as of ${utcTime(asOf)} UTC`;
    this.words.host.dataset["worth"] = "good";
    this.words.set(
      `${textOf(answer["from"])} to ${textOf(answer["to"])}${when}. ` +
        (routes.length ? "Indicative, no advice." : "No route is known.") +
        (routes.length > shown.length ? ` The first ${shown.length} of ${routes.length}.` : "") +
        (without && ` Left out: ${without}.`),
    );
  }
}

function routeOf(route: Fields, best: boolean): HTMLElement {
  const cost = numberOf(route["cost_bps"]);
  const reason = reasonsOf(route)["cost_bps"];
  const total = element("p", { class: "route-cost" });
  total.append(cost === null ? NOTHING : `${basisPoints(cost)} bps in all`);
  if (cost === null && reason) total.append(` (${explainFigure(reason)})`);
  if (best) total.append(" ", element("span", { class: "tag best" }, "cheapest"));
  const legs = Array.isArray(route["legs"]) ? route["legs"].filter(isFields) : [];
  const list = element("ul", {}, ...legs.map((leg) => element("li", {}, legText(leg))));
  const venue = textOf(route["exchange"]);
  if (venue) total.prepend(`${venue}: `);
  return element("li", best ? { class: "best" } : {}, total, list);
}

function legText(leg: Fields): string {
  const bps = (field: string) => {
    const value = numberOf(leg[field]);
    return value === null ? NOTHING : basisPoints(value);
  };
  const price = numberOf(leg["price"]);
  const at = price === null ? "" : ` at ${fixed(price, decimalsOf(price))}`;
  return (
    `${textOf(leg["side"])} ${textOf(leg["market"])}${at}: ` +
    `spread ${bps("spread_bps")}, fee ${bps("fee_bps")}, cost ${bps("cost_bps")} bps`
  );
}
