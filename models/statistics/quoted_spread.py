"""The quoted spread s = ask − bid of many markets over one second, as columns that merge.

Columns of a pane, one value a market, float64 (whole numbers up to 2⁵³ are exact in it):

    good_ns         Σ Δt             n            number of good quotes
    spread_ns       Σ s Δt           spread_sum   Σ s over those n
    spread_bps_ns   Σ 10⁴ s/mid Δt   minimum, maximum   of s

Δt is the good time a quote was in force (ns). Over a window, `spread_ns ÷ good_ns` is the
time-weighted mean (Holden & Jacobsen 2014, "Liquidity measurement problems in fast, competitive
markets", show why quotes have to be weighted by their time), `spread_sum ÷ n` the plain one.
Sums run in tick order (`np.bincount` adds one after the other), so no value depends on how the
ticks were handed over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.decimals import price_difference
from models.statistics.quotes_in_force import QuotesInForce
from models.statistics.sums_in_order import sum_by_market

SUMS = ("good_ns", "n", "spread_ns", "spread_bps_ns", "spread_sum")
MINIMA = ("minimum",)
MAXIMA = ("maximum",)


def quoted_spread(quotes: QuotesInForce) -> dict[str, NDArray[np.float64]]:
    """Return the pane of a second: its columns over the markets.

    >>> from models.statistics.quotes_in_force import CarriedQuotes, Quotes, quotes_in_force
    >>> ticks = Quotes(np.zeros(2, np.uint16), np.array([0, 6]), np.array([10.0, 10.0]),
    ...                np.array([11.0, 13.0]), np.ones(2), np.ones(2))
    >>> second = quotes_in_force(0, 10, ["kraken:BTC-USD"], ticks, [], CarriedQuotes.none())
    >>> pane = quoted_spread(second)
    >>> (pane["spread_ns"] / pane["good_ns"]).tolist(), (pane["spread_sum"] / pane["n"]).tolist()
    ([1.8], [2.0])
    """
    code, markets = quotes.market, quotes.markets
    weight, counted = quotes.good_ns, quotes.counted
    good = quotes.bid <= quotes.ask
    spread = price_difference(quotes.ask, quotes.bid)
    spread_bps = 2e4 * spread / (quotes.ask + quotes.bid)
    in_force = counted | (weight > 0)
    pane = {
        "good_ns": sum_by_market(code, weight, markets),
        "n": sum_by_market(code, counted, markets),
        "spread_ns": sum_by_market(code, np.where(good, spread, 0.0) * weight, markets),
        "spread_bps_ns": sum_by_market(code, np.where(good, spread_bps, 0.0) * weight, markets),
        "spread_sum": sum_by_market(code, np.where(counted, spread, 0.0), markets),
        "minimum": np.full(markets, np.inf),
        "maximum": np.full(markets, -np.inf),
    }
    np.minimum.at(pane["minimum"], code[in_force], spread[in_force])
    np.maximum.at(pane["maximum"], code[in_force], spread[in_force])
    return pane
