"""What quotes and unseen intervals of a market say at any moment: sections 5 and 6 of the contract.

`docs/from-frames-to-figures.md` is the contract.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from services.audit.pieces import SECOND, Flags, Floats, Integral, Sums, Times, divided, extremes

WINDOWS = {"15s": 15 * SECOND, "1m": 60 * SECOND, "5m": 300 * SECOND}
SHORTEST = WINDOWS["15s"]
LONGEST = max(WINDOWS.values())

_OF_BOTH_SIDES = ("mid", "spread", "spread_bps", "imbalance")
_OF_ONE_SIDE = ("bid", "ask", "bid_size", "ask_size")
POINTS = (*_OF_ONE_SIDE, *_OF_BOTH_SIDES)
_MEANS = {"mean": "spread", "mean_bps": "spread_bps", "imbalance": "imbalance", "depth": "depth"}

Figures = dict[str, Floats]
"""By column of the archived topic one value a row; NaN is null."""


class QuotePast:
    """The quotes of one market in a stretch of time."""

    def __init__(self, quotes: pd.DataFrame, unseen: pd.DataFrame) -> None:
        """Take quotes (at least one) in event-time order, and the intervals of the market's quotes.

        `quotes` has the columns `time`, prices, sizes, and `spread` and `mid`, which are the exact
        differences and middles of the prices' decimals.
        """
        self.time: Times = quotes["time"].to_numpy(np.int64)
        values = {
            name: quotes[name].to_numpy(np.float64)
            for name in ("bid", "ask", "bid_size", "ask_size", "spread", "mid")
        }
        bid, ask, sizes = values["bid"], values["ask"], values["bid_size"] + values["ask_size"]
        self.two_sided: Flags = ~(np.isnan(bid) | np.isnan(ask))
        self.good_quote: Flags = self.two_sided & (bid <= ask)
        self.values = values | {
            "spread_bps": divided(1e4 * values["spread"], values["mid"]),
            "imbalance": divided(values["bid_size"] - values["ask_size"], sizes),
            "depth": np.nan_to_num(bid * values["bid_size"])
            + np.nan_to_num(ask * values["ask_size"]),
        }
        self._cut(unseen)
        self.integrals = {
            name: Integral(self.breaks, self.values[column][self.quote], self.good)
            for name, column in _MEANS.items()
        }
        counted = np.where(self.counted, values["spread"], np.nan)
        self._ticks, self._tick_sums = counted, Sums(self.time, counted)
        self._pieces = np.where(self.good, values["spread"][self.quote], np.nan)

    def _cut(self, unseen: pd.DataFrame) -> None:
        """Cut time into pieces in which the quote in force and what is seen stay the same."""
        starts = np.sort(unseen["start"].to_numpy(np.int64))
        ends = np.sort(unseen["end"].to_numpy(np.int64))
        lasting = np.sort(unseen["end"][unseen["reason"] != "stale"].to_numpy(np.int64))
        self.breaks: Times = np.unique(np.concatenate([self.time, starts, ends]))
        quote = np.searchsorted(self.time, self.breaks, "right") - 1
        self.quote = np.maximum(quote, 0)
        within = np.searchsorted(starts, self.breaks, "right") > np.searchsorted(
            ends, self.breaks, "right"
        )
        # Dead: a gap or an outage has ended, and no quote has come since.
        over = np.searchsorted(lasting, self.breaks, "right")
        newest = np.concatenate([[0], lasting])[over]
        dead = (over > 0) & (newest > self.time[self.quote])
        self.unseen: Flags = within | dead | (quote < 0)
        self.good: Flags = ~self.unseen & self.good_quote[self.quote]
        own = np.searchsorted(self.breaks, self.time)
        self.counted: Flags = self.good_quote & ~within[own]

    def good_ns(self, begin: Times, end: Times) -> Times:
        """Return the good time within every `[begin, end)`, in nanoseconds."""
        return self.integrals["mean"].over(begin, end)[1]

    def mids(self, moment: Times) -> Floats:
        """Return the mid in force at every moment; NaN where it is not good or not seen."""
        piece = np.searchsorted(self.breaks, moment, "right") - 1
        at = np.maximum(piece, 0)
        mid = self.values["mid"][self.quote[at]]
        return np.where((piece >= 0) & self.good[at], mid, np.nan)

    def has_rows(self, at: Times, knows_first: bool) -> Flags:
        """Return whether the market has a row at these seconds.

        `knows_first` says that the first quote here is the market's first.
        """
        before = at - SECOND
        covered = self.good_ns(at - SHORTEST, at) + self.good_ns(before - SHORTEST, before) > 0
        is_first = (before <= self.time[0]) & (self.time[0] < at)
        return covered | is_first if knows_first else covered

    def points(self, at: Times) -> Figures:
        """Return what was in force just before these seconds."""
        piece = np.searchsorted(self.breaks, at - 1, "right") - 1
        place = np.maximum(piece, 0)
        unseen = (piece < 0) | self.unseen[place]
        quote = self.quote[place]
        figures = {"stale": unseen.astype(np.float64)}
        for name in POINTS:
            known = self.good_quote if name in _OF_BOTH_SIDES else self.two_sided
            figures[name] = np.where(~unseen & known[quote], self.values[name][quote], np.nan)
        return figures

    def window(self, at: Times, length: int) -> Figures:
        """Return the figures of the quotes over `[at − length, at)`."""
        begin = at - length
        figures = {name: each.means(begin, at) for name, each in self.integrals.items()}
        figures["coverage"] = self.good_ns(begin, at) / length
        total, n = self._tick_sums.over(begin, at)
        figures["n"], figures["tick_mean"] = n.astype(np.float64), divided(total, n)
        of_ticks = extremes(
            self._ticks, np.searchsorted(self.time, begin), np.searchsorted(self.time, at)
        )
        first = np.maximum(np.searchsorted(self.breaks, begin, "right") - 1, 0)
        of_pieces = extremes(self._pieces, first, np.searchsorted(self.breaks, at))
        figures["min"] = np.fmin(of_ticks[0], of_pieces[0])
        figures["max"] = np.fmax(of_ticks[1], of_pieces[1])
        return figures
