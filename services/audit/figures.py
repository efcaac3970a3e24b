"""The figures of `docs/from-frames-to-figures.md` §6 and §7, from ticks alone.

A way of its own: cumulative integrals over pieces of time in which nothing changes, not the panes
of the line; nothing is shared with `models.statistics` or with the agents.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SECOND = 1_000_000_000
WINDOWS = {"15s": 15 * SECOND, "1m": 60 * SECOND, "5m": 300 * SECOND}
LONGEST = max(WINDOWS.values())

_LATE = 1
_POINTS = ("bid", "ask", "mid", "spread", "spread_bps", "bid_size", "ask_size")
_MEANS = ("mean", "mean_bps", "imbalance", "depth")
FIGURES = (
    *_POINTS,
    "stale",
    *(
        f"windows_{label}_{name}"
        for label in WINDOWS
        for name in (
            *_MEANS,
            *("coverage", "n", "tick_mean", "min", "max"),
            *("trades_n", "trade_low", "trade_high"),
        )
    ),
)
"""The columns of the archived `spreads` that are recomputed."""

Figures = dict[str, float | None]


class MarketPast:
    """What the archive holds of one market in a stretch of time; times are int64 nanoseconds."""

    def __init__(self, quotes: pd.DataFrame, trades: pd.DataFrame, unseen: pd.DataFrame) -> None:
        """Take quotes (at least one) and trades in event-time order, and unseen intervals.

        Intervals are those of the market's quotes.
        """
        self.time = quotes["time"].to_numpy(np.int64)
        bid, ask = quotes["bid"].to_numpy(np.float64), quotes["ask"].to_numpy(np.float64)
        bid_size = quotes["bid_size"].to_numpy(np.float64)
        ask_size = quotes["ask_size"].to_numpy(np.float64)
        on_time = trades[(trades["flags"] & _LATE) == 0]
        self._trade_time = on_time["time"].to_numpy(np.int64)
        self._trade_price = on_time["price"].to_numpy(np.float64)
        self._two_sided = ~(np.isnan(bid) | np.isnan(ask))
        self._good_quote = self._two_sided & (bid <= ask)
        self._values: dict[str, NDArray[np.float64]] = {
            "bid": bid,
            "ask": ask,
            "mid": (bid + ask) / 2,
            "spread": ask - bid,
            "spread_bps": 10_000 * (ask - bid) / ((bid + ask) / 2),
            "bid_size": bid_size,
            "ask_size": ask_size,
            "imbalance": (bid_size - ask_size) / (bid_size + ask_size),
            "depth": bid * bid_size + ask * ask_size,
        }
        self._cut(unseen)
        columns = {"mean": "spread", "mean_bps": "spread_bps"}
        self._integrals = {
            name: _Integral(
                self._breaks, self._values[columns.get(name, name)][self._quote], self._good
            )
            for name in _MEANS
        }

    def coverage(self, begin: int, end: int) -> int:
        """Return the good time within `[begin, end)`, in nanoseconds."""
        of_mean = self._integrals["mean"]
        return of_mean.weight_until(end) - of_mean.weight_until(begin)

    def has_row(self, at: int, knows_first: bool) -> bool:
        """Return whether the market has a row at this second.

        `knows_first` says that the first quote here is the market's first.
        """
        window = WINDOWS["15s"]
        if self.coverage(at - window, at) or self.coverage(at - window - SECOND, at - SECOND):
            return True
        return knows_first and at - SECOND <= self.time[0] < at

    def figures(self, at: int) -> Figures:
        """Return the figures of the row at this second."""
        figures = self._points(at)
        for label, window in WINDOWS.items():
            for name, value in self._window(at - window, at).items():
                figures[f"windows_{label}_{name}"] = value
        return figures

    def _cut(self, unseen: pd.DataFrame) -> None:
        """Cut time into pieces in which the quote in force and what is seen stay the same."""
        starts = np.sort(unseen["start"].to_numpy(np.int64))
        ends = np.sort(unseen["end"].to_numpy(np.int64))
        fatal = np.sort(unseen["end"][unseen["reason"] != "stale"].to_numpy(np.int64))
        self._breaks = np.unique(np.concatenate([self.time, starts, ends]))
        quote = np.searchsorted(self.time, self._breaks, "right") - 1
        self._quote = np.maximum(quote, 0)
        within = _count(starts, self._breaks) > _count(ends, self._breaks)
        # Dead: a gap or an outage has ended, and no quote has come since.
        over = _count(fatal, self._breaks)
        dead = (over > 0) & (np.concatenate([[0], fatal])[over] > self.time[self._quote])
        self._unseen = within | dead | (quote < 0)
        self._good = ~self._unseen & self._good_quote[self._quote]
        own = np.searchsorted(self._breaks, self.time)
        self._counted = self._good_quote & ~within[own]

    def _points(self, at: int) -> Figures:
        piece = int(np.searchsorted(self._breaks, at - 1, "right")) - 1
        unseen = piece < 0 or bool(self._unseen[piece])
        figures: Figures = {"stale": float(unseen), **dict.fromkeys(_POINTS)}
        if unseen:
            return figures
        quote = self._quote[piece]
        if self._two_sided[quote]:
            for name in _POINTS:
                is_of_both = name in ("mid", "spread", "spread_bps")
                if self._good_quote[quote] or not is_of_both:
                    figures[name] = _number(self._values[name][quote])
        return figures

    def _window(self, begin: int, end: int) -> Figures:
        good = self.coverage(begin, end)
        figures: Figures = {"coverage": good / (end - begin)}
        for name, integral in self._integrals.items():
            weight = integral.weight_until(end) - integral.weight_until(begin)
            area = integral.area_until(end) - integral.area_until(begin)
            figures[name] = area / weight if weight else None
        first, last = np.searchsorted(self.time, [begin, end])
        spread = self._values["spread"]
        ticks = spread[first:last][self._counted[first:last]]
        low, high = np.searchsorted(self._breaks, [begin, end], "right") - 1
        pieces = np.arange(max(low, 0), high + 1)
        pieces = pieces[self._good[pieces] & (self._breaks[pieces] < end)]
        seen = np.concatenate([ticks, spread[self._quote[pieces]]])
        figures["n"] = float(len(ticks))
        figures["tick_mean"] = float(ticks.mean()) if len(ticks) else None
        figures["min"] = float(seen.min()) if len(seen) else None
        figures["max"] = float(seen.max()) if len(seen) else None
        first, last = np.searchsorted(self._trade_time, [begin, end])
        prices = self._trade_price[first:last]
        figures["trades_n"] = float(len(prices))
        figures["trade_low"] = float(prices.min()) if len(prices) else None
        figures["trade_high"] = float(prices.max()) if len(prices) else None
        return figures


class _Integral:
    """The integral over time of a value that changes at breaks, and of the time that counts."""

    def __init__(
        self, breaks: NDArray[np.int64], value: NDArray[np.float64], good: NDArray[np.bool_]
    ) -> None:
        """`value` holds from each break on; it counts where it is good and a number."""
        counts = good & np.isfinite(value)
        lengths = np.diff(breaks)
        self._breaks = breaks
        self._rates = np.where(counts, value, 0.0)
        self._weights = counts.astype(np.int64)
        self._area = np.concatenate([[0.0], np.cumsum(self._rates[:-1] * lengths)])
        self._weight = np.concatenate([[0], np.cumsum(self._weights[:-1] * lengths)])

    def area_until(self, moment: int) -> float:
        """Return the integral from the first break to this moment."""
        piece = int(np.searchsorted(self._breaks, moment, "right")) - 1
        if piece < 0:
            return 0.0
        return float(self._area[piece] + self._rates[piece] * (moment - self._breaks[piece]))

    def weight_until(self, moment: int) -> int:
        """Return the time that counts from the first break to this moment, in nanoseconds."""
        piece = int(np.searchsorted(self._breaks, moment, "right")) - 1
        if piece < 0:
            return 0
        return int(self._weight[piece] + self._weights[piece] * (moment - self._breaks[piece]))


def _count(sorted_times: NDArray[np.int64], moments: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return how many of these times are at or before each moment."""
    return np.searchsorted(sorted_times, moments, "right")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
