/** Every pair's correlation at once, and one pair at a time. */

import { type Item } from "../contract";
import { Picker } from "../picker";
import { LiveText, element } from "../element";
import { Latest } from "../line/rest";
import { Retry } from "../line/retry";
import type { Surroundings, View } from "../view";
import { ChangedPanel } from "./changed-panel";
import { Heatmap } from "./heatmap";
import { Legend } from "./legend";
import { Matrix, isMatrix } from "./matrix";
import { READABLE_COINS, matrixTable } from "./matrix-table";
import { PairForm } from "./pair-form";
import { PairPanel } from "./pair-panel";
import { TablePicker } from "./table-picker";
import { matrixInWords, sentence } from "./words";

const TOP = ["10", "20", "50", "100"];
// A matrix of hundreds of coins is megabytes: it is worth a look a minute.
const LARGE = 100;
const LARGE_EVERY_MS = 60_000;
const HINT = "Point at a cell, or go there with the arrow keys.";

export class CorrelationView implements View {
  readonly title = "correlations";
  private readonly picked = new TablePicker(() => this.load());
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
  private readonly legend: Legend;
  private readonly changed = new ChangedPanel((a, b) => this.openPair(a, b));
  private readonly table = element("details", { class: "as-table" });
  private readonly tableHost = element("div", {
    class: "wide",
    role: "region",
    "aria-label": "Correlations as a table",
    tabindex: "0",
  });
  private readonly form = new PairForm((a, b) => this.openPair(a, b));
  private readonly askMatrix = new Latest();
  private readonly askCatalog = new Latest();
  private readonly retry = new Retry(() => this.ask());
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
    this.legend = new Legend(this.heatmap);
    const head = element("div", { class: "chart-head" });
    head.append(
      element("a", { class: "back", href: "#/" }, "← All markets"),
      element("h1", {}, "Correlations"),
      this.picked.window.node,
      this.picked.method.node,
      this.which.node,
      this.ordering.node,
      this.form.node,
    );
    const panel = element("section", { class: "panel heat-panel", "aria-label": "Matrix" });
    panel.append(
      this.readout.host,
      this.heatmap.node,
      this.legend.node,
      this.about.host,
      this.trouble.host,
      this.table,
    );
    this.table.append(element("summary", {}, "As a table"), this.tableHost);
    this.table.addEventListener("toggle", () => this.fillTable());
    const right = element("div", { class: "column" }, this.pair.node, this.changed.node);
    host.replaceChildren(head, element("div", { class: "columns" }, panel, right), this.form.names);
    this.readout.set(HINT);
    this.ask();
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
      this.form.offer(this.rankedCoins());
      // Ranks may have come: the order goes by them.
      this.draw();
    }
    if (this.paintedEpoch !== theme.epoch) {
      this.paintedEpoch = theme.epoch;
      this.heatmap.paint();
      this.legend.paint();
    }
    this.pair.render();
  }

  cameBack(): void {
    this.ask();
    this.pair.ask();
  }

  close(): void {
    this.unsubscribe?.();
    this.askMatrix.cancel();
    this.askCatalog.cancel();
    this.retry.cancel();
    this.heatmap.close();
    this.pair.close();
    this.host.replaceChildren();
  }

  private ask(): void {
    if (this.picked.isKnown) this.load();
    else this.learn();
  }

  private learn(): void {
    this.askCatalog.run(
      (signal) => this.around.rest.get("/v1/catalog", {}, signal),
      (catalog) => this.picked.offer(catalog),
      (words) => {
        this.trouble.set(words);
        this.retry.failed();
      },
    );
  }

  private load(): void {
    const parameters = {
      ...this.picked.parameters(),
      coins: this.wanted(),
      // The gateway knows which coins go together; ranks are known here.
      order: this.ordering.value === "cluster" ? "cluster" : null,
    };
    this.retry.cancel();
    this.askMatrix.run(
      (signal) => this.around.rest.get("/v1/correlations", parameters, signal),
      (answer) => {
        if (!isMatrix(answer)) {
          this.trouble.set("There is no matrix yet.");
          this.retry.failed();
          return;
        }
        this.trouble.set("");
        this.retry.succeeded();
        const matrix = new Matrix(answer);
        this.matrix = null;
        this.takeMatrix(matrix);
        this.follow(matrix);
      },
      (words) => {
        this.trouble.set(`No matrix: ${words}`);
        // While a system starts there is none yet.
        this.retry.failed();
      },
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
    this.pair.follow(matrix.asOf);
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
    this.legend.paint();
    this.showCell();
    this.about.set(matrixInWords(matrix));
    this.changed.show(matrix);
    this.table.hidden = matrix.size > READABLE_COINS;
    this.fillTable();
  }

  private fillTable(): void {
    const { matrix } = this;
    const isRead = matrix && !this.table.hidden && this.table.open;
    this.tableHost.replaceChildren(...(isRead ? [matrixTable(matrix, this.order(matrix))] : []));
  }

  private showCell(): void {
    const { matrix, pointedAt } = this;
    this.readout.set(matrix && pointedAt ? sentence(matrix.cell(...pointedAt)) : HINT);
  }

  private openPair(a: string, b: string): void {
    if (!a || !b) return;
    this.form.show(a, b);
    this.pair.open(a, b, this.picked.parameters());
    this.pair.focus();
  }
}

/** Of which table and which coins, in their order, a matrix is. */
function nameOf({ table, coins }: Matrix): string {
  return `${table} ${coins.join(",")}`;
}
