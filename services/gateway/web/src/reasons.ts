/** Why a figure is undefined, in a sentence a reader of the page understands. */

import type { Reason } from "./contract";

const SENTENCES: Record<Reason, string> = {
  thin: "one side of the book is empty",
  warming: "not enough has been seen yet",
  quiet: "no quote fell into the window",
  gap: "messages of the exchange were missed; waiting for the next quote",
  stale: "the exchange has been silent for longer than it should",
  down: "the connection to the exchange is closed",
  crossed: "the bid is above the ask",
  no_trades: "no trade fell into the window",
  not_mean_reverting: "the series does not return to its mean",
  line_delayed: "Cointide's own line is late",
};

export function explain(reason: Reason): string {
  return `${reason}: ${inWords(reason)}`;
}

/** The sentence alone. */
export function inWords(reason: Reason): string {
  return SENTENCES[reason] ?? "undefined";
}

// The words of the table's last column, where they are not the reason's own.
const STANDINGS: Partial<Record<Reason, string>> = { warming: "waiting", line_delayed: "delayed" };

/** How a market stands of which this is the reason. */
export function standingOf(reason: Reason): string {
  return STANDINGS[reason] ?? reason;
}

// Where a figure is made of many observations, some reasons mean something wider.
const OF_FIGURES: Partial<Record<Reason, string>> = {
  thin: "too few observations",
  quiet: "nothing moved",
};

/** The same of a figure that is no price. */
export function explainFigure(reason: Reason): string {
  return `${reason}: ${OF_FIGURES[reason] ?? inWords(reason)}`;
}
