/** Every pair's correlation at once, and one pair at a time. */

import { type Item } from "../contract";
import { Picker } from "../picker";
import { LiveText, element } from "../element";
import { Latest, type Parameters } from "../line/rest";
import type { Surroundings, View } from "../view";
import { ChangedPanel } from "./changed-panel";
import { Heatmap } from "./heatmap";
import { Matrix, isMatrix } from "./matrix";
import { READABLE_COINS, matrixTable } from "./matrix-table";
import { PairPanel } from "./pair-panel";
import {
  DEFAULT_METHOD,
  DEFAULT_WINDOW,
  methodName,
  tablesOf,
  windowName,
  type Table,
} from "./tables";
import { matrixInWords, sentence } from "./words";

const TOP = ["10", "20", "50", "100"];
// A matrix of hundreds of coins is megabytes: it is worth a look a minute.
const LARGE = 100;
const LARGE_EVERY_MS = 60_000;
const HINT = "Point at a cell, or go there with the arrow keys.";

export class CorrelationView implements View {
  readonly title = "correlations";
  private readonly window = new Picker("Window", () => this.windowPicked());
  private readonly method = new Picker("Method", () => this.load());
  private readonly which = new Picker("Coins", () => this.load(), [
    ...TOP.map((n) => ({ value: n, text: `Top ${n} by value` })),
    { value: "*", text: "All" },
  ]);
  private readonly ordering = new Picker("Order", () => this.load(), [
    { value: "rank", text: "By rank" },
    { value: "cluster", text: "By cluster" },
  ]);
  private readonly heatmap: Heatmap;
  private readonly pair: PairPanel;
  private readonly readout = new LiveText(element("p", { class: "cell-readout", role: "status" }));
  private readonly about = new LiveText(element("p", { class: "chart-note" }));
  private readonly trouble = new LiveText(element("p", { class: "answer", role: "status" }));
  private readonly bar = element("i", { class: "scale-bar" });
  private readonly grey = element("i", { class: "scale-grey" });
  private readonly changed = new ChangedPanel((a, b) => this.openPair(a, b));
  private readonly table = element("details", { class: "as-table" });
  private readonly names = element("datalist", { id: "coins-known" });
  private readonly first: HTMLInputElement;
  private readonly second: HTMLInputElement;
  private readonly askMatrix = new Latest();
  private readonly askCatalog = new Latest();
  private tables: Table[] = [];
  private matrix: Matrix | null = null;
  private unsubscribe: (() => void) | null = null;
  private subscribed = "";
  private pointedAt: [number, number] | null = null;
  private paintedEpoch: number;
  private generation = -1;

  constructor(
    private readonly host: HTMLElement,
    private readonly around: Surroundings,
  ) {
    this.paintedEpoch = around.theme.epoch;
    this.heatmap = new Heatmap(around.theme, {
      pointed: (cell) => {
        this.pointedAt = cell;
        this.showCell();
      },
      chosen: ([i, j]) => this.openPair(this.matrix?.coins[i] ?? "", this.matrix?.coins[j] ?? ""),
    });
    this.pair = new PairPanel(around);
    const coinInput = (label: string) =>
      element("input", {
        list: "coins-known",
        size: "8",
        "aria-label": label,
        placeholder: label,
        required: "",
        autocomplete: "off",
      });
    this.first = coinInput("First coin");
    this.second = coinInput("Second coin");
    const form = element("form", { class: "pair-form", role: "search" });
    form.append(
      this.first,
      this.second,
      element("button", { type: "submit", class: "button" }, "Look up"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [a, b] = [this.first, this.second].map((input) => input.value.trim().toUpperCase());
      this.openPair(a ?? "", b ?? "");
    });
    const head = element("div", { class: "chart-head" });
    head.append(
      element("a", { class: "back", href: "#/" }, "← All markets"),
      element("h1", {}, "Correlations"),
      this.window.node,
      this.method.node,
      this.which.node,
      this.ordering.node,
      form,
    );
    const button = (text: string, label: string, clicked: () => void) => {
      const made = element(
        "button",
        { type: "button", class: "button", "aria-label": label },
        text,
      );
      made.addEventListener("click", clicked);
      return made;
    };
    const legend = element("div", { class: "scale" });
    legend.append(
      "−1",
      this.bar,
      "1",
      this.grey,
      "undefined",
      element("i", { class: "scale-changed" }),
      "changed",
    );
    legend.append(
      element("span", { class: "spring" }),
      button("+", "Enlarge", () => this.heatmap.zoom(0.5)),
      button("−", "Reduce", () => this.heatmap.zoom(2)),
      button("Whole", "Whole matrix", () => this.heatmap.whole()),
    );
    const panel = element("section", { class: "panel heat-panel", "aria-label": "Matrix" });
    panel.append(
      this.readout.host,
      this.heatmap.node,
      legend,
      this.about.host,
      this.trouble.host,
      this.table,
    );
    this.table.addEventListener("toggle", () => this.fillTable());
    const right = element("div", { class: "column" }, this.pair.node, this.changed.node);
    host.replaceChildren(head, element("div", { class: "columns" }, panel, right), this.names);
    this.readout.set(HINT);
    this.learn();
  }

  take(items: Item[]): void {
    for (const { channel, data } of items) {
      if (channel === "correlations" && isMatrix(data)) this.takeMatrix(new Matrix(data));
    }
  }

  render(): void {
    const { theme, book } = this.around;
    if (this.generation !== book.generation) {
      this.generation = book.generation;
      this.offerNames();
      // Ranks may have come: the order goes by them.
      this.draw();
    }
    if (this.paintedEpoch !== theme.epoch) {
      this.paintedEpoch = theme.epoch;
      this.heatmap.paint();
      this.showLegend();
    }
    this.pair.render();
  }

  cameBack(): void {
    if (this.tables.length === 0) this.learn();
    else this.load();
  }

  close(): void {
    this.unsubscribe?.();
    this.askMatrix.cancel();
    this.askCatalog.cancel();
    this.heatmap.close();
    this.pair.close();
    this.host.replaceChildren();
  }

  private learn(): void {
    this.askCatalog.run(
      (signal) => this.around.rest.get("/v1/catalog", {}, signal),
      (catalog) => {
        this.tables = tablesOf(catalog);
        const windows = [...new Set(this.tables.map(({ window }) => window))];
        this.window.offer(
          windows.map((value) => ({ value, text: windowName(value) })),
          DEFAULT_WINDOW,
        );
        this.windowPicked();
      },
      (words) => this.trouble.set(words),
    );
  }

  private windowPicked(): void {
    const methods = this.tables.filter(({ window }) => window === this.window.value);
    this.method.offer(
      methods.map(({ method }) => ({ value: method, text: methodName(method) })),
      DEFAULT_METHOD,
    );
    this.load();
  }

  private tableParameters(): Parameters {
    const [window, method] = [this.window.value, this.method.value];
    const table = this.tables.find((each) => each.window === window && each.method === method);
    return { window, sampling: table?.sampling, method };
  }

  private load(): void {
    const parameters = {
      ...this.tableParameters(),
      coins: this.wanted(),
      // The gateway knows which coins go together; ranks are known here.
      order: this.ordering.value === "cluster" ? "cluster" : null,
    };
    this.askMatrix.run(
      (signal) => this.around.rest.get("/v1/correlations", parameters, signal),
      (answer) => {
        this.trouble.set("");
        if (!isMatrix(answer)) {
          this.trouble.set("There is no matrix yet.");
          return;
        }
        const matrix = new Matrix(answer);
        this.matrix = null;
        this.takeMatrix(matrix);
        this.follow(matrix);
      },
      (words) => this.trouble.set(`No matrix: ${words}`),
    );
  }

  /** The coins asked for; nothing for the gateway's own choice, which is the top 10. */
  private wanted(): string | null {
    const picked = this.which.value;
    if (picked === "10") return null;
    if (picked === "*") return "*";
    const ranked = this.rankedCoins();
    return ranked.slice(0, Number(picked)).join(",") || null;
  }

  private rankedCoins(): string[] {
    const ranks = new Map<string, number>();
    for (const { coin, rank } of this.around.book.rows.values()) ranks.set(coin, rank);
    return [...ranks.keys()].sort(
      (a, b) => (ranks.get(a) ?? Infinity) - (ranks.get(b) ?? Infinity) || (a < b ? -1 : 1),
    );
  }

  private follow(matrix: Matrix): void {
    const wanted = nameOf(matrix);
    if (wanted === this.subscribed) return;
    this.unsubscribe?.();
    this.subscribed = wanted;
    this.unsubscribe = this.around.stream.add({
      channel: "correlations",
      keys: [matrix.table],
      coins: matrix.coins,
      ...(matrix.size > LARGE ? { intervalMs: LARGE_EVERY_MS } : {}),
    });
  }

  private takeMatrix(matrix: Matrix): void {
    const now = this.matrix;
    // A step of what was picked before may still be on its way.
    if (now && (nameOf(matrix) !== nameOf(now) || matrix.asOf < now.asOf)) return;
    this.matrix = matrix;
    this.draw();
  }

  /** The places of the coins as they are shown: as they came where that is by cluster. */
  private order(matrix: Matrix): number[] {
    if (this.ordering.value === "cluster") return matrix.coins.map((_, index) => index);
    const ranks = new Map<string, number>();
    for (const { coin, rank } of this.around.book.rows.values()) ranks.set(coin, rank);
    return matrix.byRank((coin) => ranks.get(coin) ?? Infinity);
  }

  private draw(): void {
    const { matrix } = this;
    if (!matrix) return;
    this.heatmap.show(matrix, this.order(matrix));
    this.showLegend();
    this.showCell();
    this.about.set(matrixInWords(matrix));
    this.changed.show(matrix);
    this.table.hidden = matrix.size > READABLE_COINS;
    this.fillTable();
  }

  private fillTable(): void {
    const { matrix } = this;
    const summary = this.table.querySelector("summary") ?? element("summary", {}, "As a table");
    if (!matrix || this.table.hidden || !this.table.open) {
      this.table.replaceChildren(summary);
      return;
    }
    this.table.replaceChildren(
      summary,
      element("div", { class: "wide" }, matrixTable(matrix, this.order(matrix))),
    );
  }

  private showCell(): void {
    const { matrix, pointedAt } = this;
    this.readout.set(matrix && pointedAt ? sentence(matrix.cell(...pointedAt)) : HINT);
  }

  private showLegend(): void {
    this.bar.style.background = this.heatmap.gradient();
    this.grey.style.background = this.heatmap.undefinedColour;
  }

  private openPair(a: string, b: string): void {
    if (!a || !b) return;
    this.first.value = a;
    this.second.value = b;
    const until = this.around.book.newestAsOf || this.around.clock.now() / 1000;
    this.pair.open(a, b, this.tableParameters(), Math.floor(until));
    this.pair.focus();
  }

  private offerNames(): void {
    this.names.replaceChildren(...this.rankedCoins().map((value) => element("option", { value })));
  }
}

/** Of which table and which coins, in their order, a matrix is. */
function nameOf({ table, coins }: Matrix): string {
  return `${table} ${coins.join(",")}`;
}
