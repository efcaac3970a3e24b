/** Builds the page once and keeps it going: what comes is taken at once, shown a few times a second. */

import type { Item, Source } from "./contract";
import { part } from "./element";
import { FeedsView } from "./feeds-view";
import { Key } from "./key";
import { LineView } from "./line-view";
import { Backoff } from "./line/backoff";
import { fetchRanks, fetchSource } from "./line/catalog";
import { ServerClock } from "./line/clock";
import { Rest } from "./line/rest";
import { Stream, type LineState } from "./line/stream";
import { MarketBook } from "./market-book";
import { SPARK_SECONDS } from "./market-row";
import { routeOf, type Route } from "./route";
import { Schedule } from "./schedule";
import { TableView } from "./table/table-view";
import { Theme } from "./theme";
import type { Surroundings, View } from "./view";

const RENDER_MS = 160;
const QUOTES_MS = 250;
// What was missed is asked for only where it is worth its parsing.
const MISSED_AT_MOST = 30_000;
// Seconds that a source may be behind the newest one without being late; more come twice then.
const BEHIND_AT_MOST = 5;
const BACKFILL_BEGINS_MS = 1_500;
const BACKFILL_CLOSES_MS = 60_000;
const LOADING_SHOWS_MS = 400;

const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`;
const book = new MarketBook();
const clock = new ServerClock();
const theme = new Theme(part<HTMLButtonElement>("theme"));
const lineView = new LineView();
const feedsView = new FeedsView(part("feeds"), book);
const key = new Key(() => stream.retryNow());
const rest = new Rest(key.get);

let line: LineState = "connecting";
let source: Source | null = null;
let shown: Route = { view: "table" };
let started = false;
let view: View | null = null;
// By the clock on the wall, as `performance.now` stands still while a machine sleeps.
let lastItems = -Infinity;
let newestMoved = 0;

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
      if (state === "live" && line !== "connecting") view?.cameBack();
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
  view?.take(items);
  lastItems = Date.now();
  if (book.newestAsOf > newest) newestMoved = performance.now();
  if (newest === 0 && book.newestAsOf > 0) window.setTimeout(backfill, BACKFILL_BEGINS_MS);
  schedule.soon();
}

/** From where the table goes on after a lost connection; nothing where a snapshot is to come. */
function missed(): Record<string, number> | undefined {
  const seconds = (Date.now() - lastItems) / 1000;
  if (seconds <= SPARK_SECONDS && seconds * book.rows.size <= MISSED_AT_MOST) {
    return { "*": book.newestAsOf - BEHIND_AT_MOST };
  }
  // At opening the first figures say from where.
  if (book.newestAsOf > 0) window.setTimeout(backfill, BACKFILL_BEGINS_MS);
  return undefined;
}

/** Fills the sparklines before a snapshot, over a connection of its own that ends when it has. */
function backfill(): void {
  if (book.rows.size * SPARK_SECONDS > MISSED_AT_MOST) return;
  const until = book.newestAsOf;
  const from = until - SPARK_SECONDS + 2;
  const past = new Stream(
    address,
    [{ channel: "spreads", keys: ["*"], resume: () => ({ "*": from }) }],
    clock,
    key.get,
    {
      items: (items) => {
        book.take(items);
        schedule.soon();
        // They come in the order of their seconds.
        if (items.some(({ seq }) => seq >= until)) past.close();
      },
      state: () => undefined,
      error: () => undefined,
    },
  );
  // A gateway that has nothing of these seconds never comes to their end.
  window.setTimeout(() => past.close(), BACKFILL_CLOSES_MS);
}

const learning = new Backoff(1_000, 30_000);

async function learn(): Promise<void> {
  try {
    source = await fetchSource(rest);
    lineView.shows(source);
    learning.reset();
    schedule.soon();
    book.rank(await fetchRanks(rest));
    schedule.soon();
  } catch (error) {
    console.warn("What the gateway serves could not be asked:", error);
    if (line === "live" && source === null) window.setTimeout(() => void learn(), learning.next());
  }
}

/** Where time stands, in seconds. */
function present(): number {
  const isReplay = source === "none" || !clock.isKnown;
  return (isReplay && book.newestAsOf) || clock.now() / 1000;
}

function render(now: number): void {
  // A replay lives in its own time; what counts there is how long ago that has last moved.
  const event = source === "none" && book.newestAsOf > 0 ? book.newestAsOf : null;
  const present = event === null ? clock.now() / 1000 : event + (now - newestMoved) / 1000;
  const circumstances = { line, now: present };
  lineView.render(stream, clock.now(), event === null ? null : event * 1000);
  feedsView.render(line === "live");
  if (view) view.render(circumstances);
  else if (shown.view === "table") table.render(circumstances, now);
}

const around: Surroundings = {
  address,
  stream,
  rest,
  book,
  clock,
  present,
  key: key.get,
  theme,
  request: schedule.soon,
};

/** How to make a view. The table is there at once; the others are fetched when first gone to. */
async function load(route: Route): Promise<() => View | null> {
  switch (route.view) {
    case "table":
      return () => null;
    case "market": {
      const { ChartView } = await import("./chart/chart-view");
      return () => new ChartView(route.market, around);
    }
    case "coin": {
      const { CoinView } = await import("./coin/coin-view");
      return () => new CoinView(part("coin-page"), route.coin, around);
    }
    case "correlations": {
      const { CorrelationView } = await import("./correlation/correlation-view");
      return () => new CorrelationView(part("correlations-page"), around);
    }
  }
}

const PAGES: Record<Route["view"], string> = {
  table: "table-page",
  market: "chart-page",
  coin: "coin-page",
  correlations: "correlations-page",
};

async function follow(): Promise<void> {
  const route = routeOf(location.hash);
  if (started && JSON.stringify(route) === JSON.stringify(shown)) return;
  const before = shown;
  // At opening nobody has gone anywhere yet.
  const moveFocus = started;
  started = true;
  shown = route;
  view?.close();
  view = null;
  for (const page of Object.values(PAGES)) part(page).hidden = true;
  for (const link of part("views").querySelectorAll("a")) {
    if (link.getAttribute("href") === (location.hash || "#/")) link.ariaCurrent = "page";
    else link.ariaCurrent = null;
  }
  part("loading").hidden = true;
  const loading = window.setTimeout(() => {
    if (shown !== route) return;
    part("loading").textContent = "Loading this part of the page…";
    part("loading").hidden = false;
  }, LOADING_SHOWS_MS);
  try {
    const make = await load(route);
    // Somebody was quicker than the network and is elsewhere by now.
    if (shown !== route) return;
    part("loading").hidden = true;
    part(PAGES[route.view]).hidden = false;
    view = make();
  } catch (error) {
    console.warn("A part of the page could not be loaded:", error);
    if (shown !== route) return;
    part("loading").textContent = "This part of the page could not be loaded. Reload to try again.";
    part("loading").hidden = false;
    return;
  } finally {
    window.clearTimeout(loading);
  }
  lineView.title = view?.title ?? "live spreads";
  if (view && moveFocus) {
    part(PAGES[route.view]).querySelector<HTMLElement>(".back")?.focus({ preventScroll: true });
  } else if (!view && before.view === "market") {
    table.focus(before.market);
  }
  schedule.soon();
}

const filter = part<HTMLInputElement>("filter");
filter.addEventListener("input", () => table.filterBy(filter.value));
theme.onChange(schedule.soon);
window.addEventListener("hashchange", () => void follow());
window.addEventListener("keydown", (event) => {
  const writing = event.target instanceof HTMLElement && event.target.matches("input, select");
  if (event.key === "Escape" && shown.view !== "table" && !writing) location.hash = "#/";
  else if (event.key === "Escape" && filter.value) {
    filter.value = "";
    table.filterBy("");
  } else if (event.key === "/" && shown.view === "table" && !writing) {
    event.preventDefault();
    filter.focus();
  }
});
// Ages and the clock go on by themselves.
window.setInterval(schedule.soon, 500);
void follow();
schedule.soon();
