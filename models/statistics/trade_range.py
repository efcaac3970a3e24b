"""Number, least and greatest price of the trades of many markets, as columns that merge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.sums_in_order import count_by_market
from models.statistics.trade_costs import Trades

SUMS = ("trades_n",)
MINIMA = ("trade_low",)
MAXIMA = ("trade_high",)


def trade_range(trades: Trades, markets: int) -> dict[str, NDArray[np.float64]]:
    """Return the columns over the markets; without a trade the least is ∞, the greatest −∞.

    >>> two = Trades(np.zeros(2, np.uint16), np.zeros(2, np.int64), np.array([7.0, 5.0]),
    ...              np.ones(2, np.int8))
    >>> {name: column.tolist() for name, column in trade_range(two, 1).items()}
    {'trades_n': [2.0], 'trade_low': [5.0], 'trade_high': [7.0]}
    """
    low, high = np.full(markets, np.inf), np.full(markets, -np.inf)
    np.minimum.at(low, trades.market, trades.price)
    np.maximum.at(high, trades.market, trades.price)
    return {
        "trades_n": count_by_market(trades.market, markets),
        "trade_low": low,
        "trade_high": high,
    }
