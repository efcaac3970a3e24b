"""What stands at the best prices: imbalance and depth, as columns that merge.

    imbalance_ns   Σ (bid_size − ask_size)/(bid_size + ask_size) Δt
    sized_ns       Σ Δt over the quotes that have a size
    depth_ns       Σ (bid × bid_size + ask × ask_size) Δt      quote currency

Δt is the good time a quote was in force (ns). Order imbalance at the best prices: Cont, Kukanov &
Stoikov 2014, "The price impact of order book events".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.quotes_in_force import QuotesInForce
from models.statistics.sums_in_order import sum_by_market

SUMS = ("imbalance_ns", "sized_ns", "depth_ns")


def imbalance(bid_size: NDArray[np.float64], ask_size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `(bid_size − ask_size)/(bid_size + ask_size)`, in [−1, 1]; NaN without any size.

    >>> imbalance(np.array([3.0, 0.0]), np.array([1.0, 0.0])).tolist()
    [0.5, nan]
    """
    total = bid_size + ask_size
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, (bid_size - ask_size) / total, np.nan)


def quoted_size(quotes: QuotesInForce) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a second over the markets; a size that is not known counts as none.

    >>> from models.statistics.quotes_in_force import CarriedQuotes, Quotes, quotes_in_force
    >>> ticks = Quotes(np.zeros(2, np.uint16), np.array([0, 6]), np.array([10.0, 10.0]),
    ...                np.array([11.0, 11.0]), np.array([3.0, 1.0]), np.ones(2))
    >>> second = quotes_in_force(0, 10, ["kraken:BTC-USD"], ticks, [], CarriedQuotes.none())
    >>> {name: column.tolist() for name, column in quoted_size(second).items()}
    {'imbalance_ns': [3.0], 'sized_ns': [10.0], 'depth_ns': [330.0]}
    """
    code, markets, weight = quotes.market, quotes.markets, quotes.good_ns
    share = imbalance(quotes.bid_size, quotes.ask_size)
    sized = ~np.isnan(share)
    depth = np.nan_to_num(quotes.bid * quotes.bid_size) + np.nan_to_num(
        quotes.ask * quotes.ask_size
    )
    return {
        "imbalance_ns": sum_by_market(code, np.where(sized, share, 0.0) * weight, markets),
        "sized_ns": sum_by_market(code, np.where(sized, weight, 0.0), markets),
        "depth_ns": sum_by_market(code, depth * weight, markets),
    }
