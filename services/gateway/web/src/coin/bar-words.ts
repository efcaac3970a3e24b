/** A bar, and a range of bars, in words. */

import { NOTHING, fixed, percent, utcDateTime } from "../format";
import { explain } from "../reasons";
import { ORIGINS, isUnseen, type Bar } from "./bars";
import type { HeldBars } from "./held-bars";

/** What stands above the candles of the bar that begins then, of which nothing may be held. */
export function barInWords(bar: Bar | undefined, start: number, decimals: number): string {
  if (!bar) return `${utcDateTime(start * 1000)} UTC  nothing held`;
  const price = (value: number | null) => (value === null ? NOTHING : fixed(value, decimals));
  const { open, high, low, close, volume, n, coverage, source, reason } = bar;
  const parts = [
    `${moment(start)} UTC`,
    `O ${price(open)}  H ${price(high)}  L ${price(low)}  C ${price(close)}`,
    open === null || close === null ? "" : change(close / open - 1),
    `volume ${volume === null ? NOTHING : fixed(volume, volume < 1_000 ? 4 : 0)}`,
    n === null ? "" : `${n} trades`,
    coverage === null ? "" : `seen ${percent(coverage)}`,
    source === "live" ? "" : ORIGINS[source].one,
    close === null && reason ? explain(reason) : "",
  ];
  return parts.filter(Boolean).join("  ·  ");
}

/** What a range shows, and what of it is missing. */
export function rangeInWords(held: HeldBars, isLive: boolean): string {
  const { span, completeFrom } = held;
  if (!span) return "";
  const { interval, start, end } = span;
  const parts = [`${moment(start)} to ${moment(end)} UTC, bars of ${interval}.`];
  if (completeFrom !== null && completeFrom > start) {
    const from = Number.isFinite(completeFrom) ? `Held from ${moment(completeFrom)} on` : "";
    parts.push(from ? `${from}; what lies before is empty.` : "Nothing of it is held.");
  }
  const bars = held.ordered();
  const drawn = bars.filter(({ close }) => close !== null);
  const others = Object.entries(ORIGINS).map(([origin, { many }]) => {
    const count = drawn.filter(({ source }) => source === origin).length;
    return count ? `, ${count} of them ${many}` : "";
  });
  parts.push(`${drawn.length} with trades${others.join("")}.`);
  const unseen = bars.filter(isUnseen);
  if (unseen.length) {
    const reasons = new Set(
      unseen.map(({ reason }) => (reason ? explain(reason) : "no reason told")),
    );
    parts.push(`${unseen.length} not seen (${[...reasons].join("; ")}).`);
  }
  if (isLive && bars.at(-1)?.isDelayed) parts.push("The next bar is late.");
  return parts.join(" ");
}

/** The direction too, which the candles have in their colours alone. */
function change(share: number): string {
  const text = fixed(share * 100, 2);
  return `${share > 0 && Number(text) > 0 ? "+" : ""}${text}%`;
}

function moment(seconds: number): string {
  return utcDateTime(seconds * 1000).slice(0, 16);
}
