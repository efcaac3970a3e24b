/** Builds the page once and keeps it going: what comes is taken at once, shown a few times a second. */

import { ChartView } from "./chart/chart-view";
import type { Item, Source } from "./contract";
import { part } from "./element";
import { FeedsView } from "./feeds-view";
import { Key } from "./key";
import { LineView } from "./line-view";
import { Backoff } from "./line/backoff";
import { fetchCatalog, fetchRanks } from "./line/catalog";
import { ServerClock } from "./line/clock";
import { Stream, type LineState } from "./line/stream";
import { MarketBook } from "./market-book";
import { SPARK_SECONDS } from "./market-row";
import { routeOf } from "./route";
import { Schedule } from "./schedule";
import { TableView } from "./table/table-view";
import { Theme } from "./theme";

const RENDER_MS = 160;
const QUOTES_MS = 250;
// What was missed is asked for only where it is worth its parsing.
const MISSED_AT_MOST = 30_000;
const BACKFILL_CLOSES_MS = 6_000;

const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`;
const book = new MarketBook();
const clock = new ServerClock();
const theme = new Theme(part<HTMLButtonElement>("theme"));
const lineView = new LineView();
const feedsView = new FeedsView(part("feeds"), book);
const key = new Key(() => stream.retryNow());

let line: LineState = "connecting";
let source: Source | null = null;
let chart: ChartView | null = null;
let lastItems = -Infinity;
let newestMoved = 0;
let backfilled = false;

const schedule = new Schedule(render, RENDER_MS);
const table = new TableView(part("scroller"), book, theme, schedule.soon, (shown, known) => {
  part("count").textContent = shown === known ? `${known} markets` : `${shown} of ${known} markets`;
  part("empty").hidden = shown > 0;
  part("empty").textContent = known ? "No market matches the filter." : "Waiting for the first figures…";
});
part("sort").append(table.sortSelect);

const stream = new Stream(
  address,
  [
    { channel: "spreads", keys: ["*"], resume: missed },
    { channel: "quotes", keys: ["*"], intervalMs: QUOTES_MS },
    { channel: "feeds", keys: ["*"] },
  ],
  clock,
  key.get,
  {
    items: take,
    state: (state) => {
      line = state;
      lineView.becomes(state);
      // A gateway that came back may be another one, with another source.
      if (state === "live") void learn();
      if (state === "refused") key.ask();
      schedule.soon();
    },
    error: (code, detail) => console.warn(`The gateway answered ${code}: ${detail}`),
  },
);

function take(items: Item[]): void {
  const newest = book.newestAsOf;
  book.take(items);
  lastItems = performance.now();
  if (book.newestAsOf > newest) newestMoved = lastItems;
  if (newest === 0 && book.newestAsOf > 0) window.setTimeout(backfill, 1_500);
  schedule.soon();
}

/** From where the table goes on after a lost connection; nothing for a first snapshot. */
function missed(): Record<string, number> | undefined {
  const seconds = (performance.now() - lastItems) / 1000;
  if (seconds > SPARK_SECONDS || seconds * book.rows.size > MISSED_AT_MOST) return undefined;
  return { "*": book.newestAsOf };
}

/** Fills the sparklines at opening, over a connection of its own that ends when it has. */
function backfill(): void {
  if (backfilled || book.rows.size * SPARK_SECONDS > MISSED_AT_MOST) return;
  backfilled = true;
  const from = book.newestAsOf - SPARK_SECONDS + 2;
  const past = new Stream(
    address,
    [{ channel: "spreads", keys: ["*"], resume: () => ({ "*": from }) }],
    clock,
    key.get,
    { items: (items) => book.take(items), state: () => undefined, error: () => undefined },
  );
  window.setTimeout(() => past.close(), BACKFILL_CLOSES_MS);
}

const learning = new Backoff(1_000, 30_000);

async function learn(): Promise<void> {
  try {
    source = (await fetchCatalog(key.get())).source;
    lineView.shows(source);
    learning.reset();
    schedule.soon();
    book.rank(await fetchRanks(key.get()));
    schedule.soon();
  } catch (error) {
    console.warn("What the gateway serves could not be asked:", error);
    if (line === "live" && source === null) window.setTimeout(() => void learn(), learning.next());
  }
}

function render(now: number): void {
  // A replay lives in its own time; what counts there is how long ago that has last moved.
  const event = source === "none" && book.newestAsOf > 0 ? book.newestAsOf : null;
  const present = event === null ? clock.now() / 1000 : event + (now - newestMoved) / 1000;
  const circumstances = { line, now: present };
  lineView.render(stream, clock.now(), event === null ? null : event * 1000);
  feedsView.render(line === "live");
  if (chart) chart.render(circumstances);
  else table.render(circumstances, now);
}

let followed = false;

function follow(): void {
  const { market } = routeOf(location.hash);
  if (market === (chart?.market ?? null)) return;
  const before = chart?.market;
  chart?.close();
  chart = null;
  part("table-page").hidden = market !== null;
  part("chart-page").hidden = market === null;
  if (market !== null) {
    chart = new ChartView(market, address, book, clock, key.get, theme, schedule.soon);
    // At opening nobody has gone anywhere yet.
    if (followed) part("back").focus();
  } else if (before) {
    table.focus(before);
  }
  followed = true;
  schedule.soon();
}

const filter = part<HTMLInputElement>("filter");
filter.addEventListener("input", () => table.filterBy(filter.value));
theme.onChange(schedule.soon);
window.addEventListener("hashchange", follow);
window.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chart) location.hash = "#/";
  else if (event.key === "Escape" && filter.value) {
    filter.value = "";
    table.filterBy("");
  } else if (event.key === "/" && !chart && document.activeElement !== filter) {
    event.preventDefault();
    filter.focus();
  }
});
// Ages and the clock go on by themselves.
window.setInterval(schedule.soon, 500);
follow();
schedule.soon();
