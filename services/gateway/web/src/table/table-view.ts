/** The table of all markets. Only the rows in sight exist; their nodes are used again. */

import { element } from "../element";
import { freshnessOf, type Circumstances, type Freshness } from "../freshness";
import type { MarketBook } from "../market-book";
import type { MarketRow } from "../market-row";
import type { Theme } from "../theme";
import { COLUMNS } from "./columns";
import { HeaderView } from "./header-view";
import { ordered, type Sorting } from "./order";
import { RowView } from "./row-view";

// Live values change the order at most this often, and never under a pointer or the focus.
const SORT_EVERY_MS = 1_000;
const SPARE_ROWS = 4;

export class TableView {
  private readonly body = element("div", { role: "rowgroup", class: "body" });
  private readonly table = element("div", {
    role: "table",
    class: "table",
    "aria-label": "Spreads of every market",
    "aria-colcount": String(COLUMNS.length),
  });
  private readonly header: HeaderView;
  private readonly mounted = new Map<string, RowView>();
  private readonly spare: RowView[] = [];
  private order: MarketRow[] = [];
  private sorting: Sorting = { column: "market", descending: false };
  private filter = "";
  private sortedAt = -Infinity;
  private sortedGeneration = -1;
  private rowHeight = 34;
  private height = 0;
  private scrollTop = 0;
  private bodyTop = 0;
  private pointed = false;
  private circumstances: Circumstances = { line: "connecting", now: 0 };
  private readonly freshness = (row: MarketRow): Freshness => freshnessOf(row, this.circumstances);

  constructor(
    private readonly scroller: HTMLElement,
    private readonly book: MarketBook,
    private readonly theme: Theme,
    private readonly request: () => void,
    private readonly counted: (shown: number, known: number) => void,
  ) {
    this.header = new HeaderView((sorting) => this.sortBy(sorting));
    this.table.append(this.header.node, this.body);
    scroller.append(this.table);
    scroller.addEventListener("scroll", () => {
      this.scrollTop = scroller.scrollTop;
      this.request();
    });
    this.body.addEventListener("pointerenter", (event) => {
      this.pointed = event.pointerType === "mouse";
    });
    this.body.addEventListener("pointerleave", () => (this.pointed = false));
    this.body.addEventListener("keydown", (event) => this.move(event));
    new ResizeObserver(() => this.measure()).observe(scroller);
    this.measure();
  }

  /** The select that stands for the header's buttons where there is no room for them. */
  get sortSelect(): HTMLElement {
    return this.header.select;
  }

  filterBy(filter: string): void {
    this.filter = filter.trim();
    this.sortedAt = -Infinity;
    this.scroller.scrollTop = 0;
    this.request();
  }

  render(circumstances: Circumstances, now: number): void {
    this.circumstances = circumstances;
    if (this.mustSort(now)) this.sort(now);
    const first = Math.max(0, Math.floor((this.scrollTop - this.bodyTop) / this.rowHeight) - SPARE_ROWS);
    const last = Math.min(
      this.order.length,
      Math.ceil((this.scrollTop + this.height) / this.rowHeight) + SPARE_ROWS,
    );
    this.mount(first, last);
    const second = Math.floor(circumstances.now) - 1;
    for (const [market, view] of this.mounted) {
      const row = this.book.rows.get(market);
      if (!row) continue;
      view.update({
        freshness: this.freshness(row),
        second: Math.min(second, this.book.newestAsOf),
        colours: this.theme.spark,
        epoch: this.theme.epoch,
      });
    }
  }

  /** Puts the focus on a market's row, as after coming back from its chart. */
  focus(market: string): void {
    const index = this.order.findIndex((row) => row.market === market);
    if (index >= 0) this.focusIndex(index);
  }

  private sortBy(sorting: Sorting): void {
    this.sorting = sorting;
    this.sortedAt = -Infinity;
    this.request();
  }

  private mustSort(now: number): boolean {
    if (this.sortedAt === -Infinity || this.sortedGeneration !== this.book.generation) return true;
    if (this.sorting.column === "market" || this.sorting.column === "exchange") return false;
    if (this.pointed || this.body.querySelector(":focus-visible")) return false;
    return now - this.sortedAt >= SORT_EVERY_MS;
  }

  private sort(now: number): void {
    this.sortedAt = now;
    this.sortedGeneration = this.book.generation;
    this.order = ordered(this.book.rows.values(), this.filter, this.sorting, this.freshness);
    this.header.show(this.sorting);
    this.table.setAttribute("aria-rowcount", String(this.order.length + 1));
    this.body.style.height = `${this.order.length * this.rowHeight}px`;
    this.counted(this.order.length, this.book.rows.size);
  }

  private mount(first: number, last: number): void {
    const wanted = this.order.slice(first, last);
    const names = new Set(wanted.map((row) => row.market));
    const focused = this.focusedMarket();
    for (const [market, view] of this.mounted) {
      // The row with the focus stays, or the keyboard would be lost by scrolling.
      if (names.has(market) || market === focused) continue;
      this.mounted.delete(market);
      view.node.remove();
      this.spare.push(view);
    }
    let following = this.body.firstElementChild;
    wanted.forEach((row, offset) => {
      let view = this.mounted.get(row.market);
      if (!view) {
        view = this.spare.pop() ?? new RowView();
        view.bind(row);
        this.mounted.set(row.market, view);
      }
      view.placeAt(first + offset, this.rowHeight);
      // In the document in the order of the screen, so that Tab goes down the rows.
      if (following && following === view.node) following = following.nextElementSibling;
      else this.body.insertBefore(view.node, following);
    });
  }

  private focusedMarket(): string | null {
    const active = document.activeElement;
    if (!(active instanceof HTMLElement) || !this.body.contains(active)) return null;
    return active.closest<HTMLElement>("[data-market]")?.dataset["market"] ?? null;
  }

  private move(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.height / this.rowHeight) - 2);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -this.order.length,
      End: this.order.length,
    };
    const step = steps[event.key];
    const market = this.focusedMarket();
    if (step === undefined || market === null) return;
    event.preventDefault();
    const index = this.order.findIndex((row) => row.market === market);
    this.focusIndex(Math.max(0, Math.min(this.order.length - 1, index + step)));
  }

  private focusIndex(index: number): void {
    const top = index * this.rowHeight;
    const room = this.height - this.bodyTop - this.rowHeight;
    if (top < this.scrollTop) this.scroller.scrollTop = top;
    else if (top > this.scrollTop + room) this.scroller.scrollTop = top - room;
    this.scrollTop = this.scroller.scrollTop;
    this.render(this.circumstances, performance.now());
    const row = this.order[index];
    if (row) this.mounted.get(row.market)?.link.focus({ preventScroll: true });
  }

  private measure(): void {
    // While the chart is shown the table has no size; what it had stays true for its return.
    if (this.scroller.clientHeight === 0) return;
    const style = getComputedStyle(this.scroller);
    this.rowHeight = parseFloat(style.getPropertyValue("--row-height")) || this.rowHeight;
    this.height = this.scroller.clientHeight;
    this.bodyTop = this.header.node.offsetHeight;
    this.scrollTop = this.scroller.scrollTop;
    this.body.style.height = `${this.order.length * this.rowHeight}px`;
    this.request();
  }
}
