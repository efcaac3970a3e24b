"""All figures of `spreads` of one market at many seconds, from its ticks alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from services.audit import baseline
from services.audit.pieces import SECOND, Flags, Times
from services.audit.quotes import LONGEST, POINTS, WINDOWS, Figures, QuotePast
from services.audit.trades import HORIZONS, TradePast

_IN_WINDOW = (
    *("mean", "mean_bps", "imbalance", "depth", "coverage", "n", "tick_mean", "min", "max"),
    *("trades_n", "trade_low", "trade_high"),
)
OF_WINDOWS = (
    *POINTS,
    "stale",
    *(f"windows_{label}_{name}" for label in WINDOWS for name in _IN_WINDOW),
    *("effective_bps", "trades_n", "trades_coverage"),
    *(
        f"{name}_{label}_{unit}"
        for label in HORIZONS
        for name, unit in (("realised", "bps"), ("impact", "bps"), ("realised", "n"))
    ),
)
OF_BASELINE = ("baseline_bps", "baseline_sigma", "z", "z_n", "half_life_s", "half_life_n")
FIGURES = (*OF_WINDOWS, *OF_BASELINE)
"""The columns of the archived `spreads` that are recomputed: all that are numbers."""

REACH = {
    **dict.fromkeys(OF_WINDOWS, LONGEST + SECOND),
    **dict.fromkeys(OF_BASELINE, baseline.REACH),
}
"""By figure how far before a second it depends on quotes."""

HISTORY = max(REACH.values())


class MarketPast:
    """What is held of one market in a stretch of time."""

    def __init__(
        self,
        quotes: pd.DataFrame,
        trades: pd.DataFrame,
        quotes_unseen: pd.DataFrame,
        trades_unseen: pd.DataFrame,
        first: int | None,
    ) -> None:
        """Take ticks in event-time order, at least one quote.

        `first` is the time of the market's first quote of all; None says that it lies before
        these.
        """
        self.quotes = QuotePast(quotes, quotes_unseen)
        self.trades = TradePast(trades, trades_unseen)
        self.first = first

    def has_rows(self, at: Times) -> Flags:
        """Return whether the market has a row at these seconds."""
        return self.quotes.has_rows(at, self.first is not None)

    def is_known(self, at: Times, figure: str) -> Flags:
        """Return at which seconds a figure follows from what is held."""
        if self.first is not None:
            return np.ones(len(at), np.bool_)
        known: Flags = self.quotes.time[0] <= at - REACH[figure]
        return known

    def figures(self, at: Times) -> Figures:
        """Return all figures at these seconds, rising; and `x_sigma`, the σ that z divides by."""
        first = self.quotes.time[0] if self.first is None else self.first
        figures = self.quotes.points(at)
        for label, length in WINDOWS.items():
            window = self.quotes.window(at, length) | self.trades.window(at, length)
            figures |= {f"windows_{label}_{name}": column for name, column in window.items()}
        figures |= self.trades.figures(at, self.quotes, int(first))
        mean_bps = figures["windows_15s_mean_bps"]
        return figures | baseline.figures(at, self.quotes, int(first), mean_bps)
