/** How the exchanges' feeds stand: one chip an exchange, the worst of its markets first. */

import type { FeedStatus } from "./contract";
import { LiveAttribute, LiveText, element } from "./element";
import type { MarketBook } from "./market-book";

const WORST_FIRST: FeedStatus[] = ["down", "gap", "stale", "connecting", "quiet", "live"];
const WORTH: Record<FeedStatus, string> = {
  down: "bad",
  gap: "bad",
  stale: "bad",
  connecting: "fair",
  quiet: "good",
  live: "good",
};

class Chip {
  readonly node = element("li", { class: "chip" });
  private readonly text: LiveText;
  private readonly worth = new LiveAttribute(this.node, "data-worth");

  constructor(private readonly exchange: string) {
    this.node.append(element("span", { class: "dot", "aria-hidden": "true" }));
    this.node.append(element("b", {}, exchange), " ");
    this.text = new LiveText(this.node.appendChild(element("span")));
  }

  show(counts: Map<FeedStatus, number>, known: boolean): void {
    const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
    const told = WORST_FIRST.filter((status) => counts.has(status));
    const parts = told.map((status) => `${counts.get(status)} ${status}`);
    const title = `${this.exchange}: ${total} markets (${parts.join(", ")})`;
    if (!known) {
      this.text.set("unknown", `${this.exchange}: not known while the connection is lost`);
      this.worth.set("fair");
    } else {
      const worst = told[0] ?? "connecting";
      this.text.set(told.length === 1 ? worst : parts.slice(0, 2).join(", "), title);
      this.worth.set(WORTH[worst]);
    }
  }
}

export class FeedsView {
  private readonly chips = new Map<string, Chip>();

  constructor(
    private readonly host: HTMLElement,
    private readonly book: MarketBook,
  ) {}

  render(known: boolean): void {
    const exchanges = new Map<string, Map<FeedStatus, number>>();
    for (const { feed, exchange } of this.book.rows.values()) {
      if (!feed) continue;
      const counts = exchanges.get(exchange) ?? new Map<FeedStatus, number>();
      counts.set(feed.status, (counts.get(feed.status) ?? 0) + 1);
      exchanges.set(exchange, counts);
    }
    for (const exchange of [...exchanges.keys()].sort()) {
      let chip = this.chips.get(exchange);
      if (!chip) {
        chip = new Chip(exchange);
        this.chips.set(exchange, chip);
        this.host.append(chip.node);
      }
      chip.show(exchanges.get(exchange) ?? new Map<FeedStatus, number>(), known);
    }
  }
}
