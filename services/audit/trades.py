"""What trades of a market say: ranges, effective and realised spreads; contract, section 7."""

from __future__ import annotations

import numpy as np
import pandas as pd

from services.audit.frames import is_on_time
from services.audit.pieces import (
    SECOND,
    Floats,
    Integral,
    Sums,
    Times,
    divided,
    extremes,
    seen_pieces,
)
from services.audit.quotes import SHORTEST, Figures, QuotePast

HORIZONS = {"5s": 5 * SECOND, "60s": 60 * SECOND}


class TradePast:
    """The trades of one market in a stretch of time."""

    def __init__(self, trades: pd.DataFrame, unseen: pd.DataFrame) -> None:
        """Take trades in event-time order, and the unseen intervals of the market's trades."""
        on_time = trades[is_on_time(trades["flags"])]
        self.time: Times = on_time["time"].to_numpy(np.int64)
        self.price: Floats = on_time["price"].to_numpy(np.float64)
        self.side: Floats = on_time["side"].to_numpy(np.float64)
        self.size: Floats = on_time["size"].to_numpy(np.float64)
        self.offset = on_time["offset"].to_numpy(np.int64)
        self.row = on_time["row"].to_numpy(np.int64)
        starts = unseen["start"].to_numpy(np.int64)
        ends = unseen["end"].to_numpy(np.int64)
        breaks, seen = seen_pieces(starts, ends)
        self._seen = Integral(breaks, np.ones(len(breaks)), seen)

    def window(self, at: Times, length: int) -> Figures:
        """Return number, least and greatest price of the trades of `[at − length, at)`."""
        low, high = np.searchsorted(self.time, at - length), np.searchsorted(self.time, at)
        least, greatest = extremes(self.price, low, high)
        n = (high - low).astype(np.float64)
        return {"trades_n": n, "trade_low": least, "trade_high": greatest}

    def seen_ns(self, begin: Times, end: Times) -> Times:
        """Return the time of every `[begin, end)` in no unseen interval of the trades."""
        return self._seen.over(begin, end)[1]

    def costs(self, quotes: QuotePast) -> dict[str, Floats]:
        """Return by figure what every trade cost, in basis points; NaN where it does not count."""
        mid = quotes.mids(self.time - 1)
        costs = {"effective": divided(2e4 * self.side * (self.price - mid), mid)}
        for label, horizon in HORIZONS.items():
            later = quotes.mids(self.time + horizon)
            costs[f"realised_{label}"] = divided(2e4 * self.side * (self.price - later), mid)
            costs[f"impact_{label}"] = divided(2e4 * self.side * (later - mid), mid)
        return costs

    def figures(self, at: Times, quotes: QuotePast, first: int) -> Figures:
        """Return the trades' figures at these seconds; `first` is the market's first quote."""
        begin = at - SHORTEST
        costs = self.costs(quotes)
        total, n = Sums(self.time, costs["effective"]).over(begin, at)
        figures = {"effective_bps": divided(total, n), "trades_n": n.astype(np.float64)}
        for label, horizon in HORIZONS.items():
            for name in ("realised", "impact"):
                sums = Sums(self.time, costs[f"{name}_{label}"])
                total, n = sums.over(begin - horizon, at - horizon)
                figures[f"{name}_{label}_bps"] = divided(total, n)
                figures[f"{name}_{label}_n"] = n.astype(np.float64)
            del figures[f"impact_{label}_n"]
        seen = self.seen_ns(np.clip(first, begin, at), at)
        figures["trades_coverage"] = seen / SHORTEST
        return figures
