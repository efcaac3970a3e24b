"""One market in time: quotes, unseen intervals and dead stretches as pieces of constant state.

Section 5 of docs/from-frames-to-figures.md. All times are integer nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FAR = 2**63 - 1
Times = NDArray[np.int64]
Mask = NDArray[np.bool_]
Texts = NDArray[np.object_]
Intervals = list[tuple[int, int, str]]
"""Start, end (exclusive) and reason, in the order of the log."""


@dataclass
class Market:
    """One market: its quotes and trades in event-time order and its pieces of constant state.

    `edges` are where the state may change; from `edges[i]` to the next one (after the last: for
    ever) the quote `in_force[i]` is in force (its place in `quotes`, −1 before the first), and
    `good[i]` says whether that time is good. `trades` has no late ones. `unseen` and
    `trades_unseen` hold the intervals that are not empty.
    """

    name: str
    quotes: pd.DataFrame
    trades: pd.DataFrame
    unseen: Intervals
    trades_unseen: Intervals
    dead: Intervals
    edges: Times
    in_force: Times
    good: Mask

    @property
    def times(self) -> Times:
        """Return the times of the quotes."""
        return self.quotes["time"].to_numpy(np.int64)

    @property
    def first(self) -> int:
        """Return the time of the first quote."""
        return int(self.times[0])

    def good_at(self, moments: Times) -> tuple[Mask, Times]:
        """Return whether each moment is good, and the place of the quote in force (or −1)."""
        piece = np.searchsorted(self.edges, moments, side="right") - 1
        known = piece >= 0
        return known & self.good[piece], np.where(known, self.in_force[piece], -1)

    def why_unseen(self, moments: Times) -> Texts:
        """Return why each of these (ascending) moments is unseen; empty where it is seen."""
        # What is written last stands: an interval before a dead stretch, among intervals the one
        # that began last, among stretches the one whose interval ended last.
        by_end = sorted(self.dead, key=lambda stretch: stretch[0])
        return reasons_at(moments, by_end + _by_start(self.unseen))

    def why_no_trades(self, moments: Times) -> Texts:
        """Return the reason of the unseen interval of trades at each (ascending) moment, or ''."""
        return reasons_at(moments, _by_start(self.trades_unseen))


def _by_start(intervals: Intervals) -> Intervals:
    return sorted(intervals, key=lambda interval: interval[0])


def reasons_at(moments: Times, intervals: Intervals) -> Texts:
    """Return the reason of the last in the list that holds each moment; empty without one."""
    reasons = np.full(len(moments), "", dtype=object)
    for start, end, reason in intervals:
        low, high = np.searchsorted(moments, (start, end))
        reasons[low:high] = reason
    return reasons


def covered(moments: Times, intervals: Intervals) -> Mask:
    """Return which of these (ascending) moments lie in one of the intervals."""
    return np.asarray(reasons_at(moments, intervals) != "", dtype=bool)


def dead_stretches(times: Times, unseen: Intervals) -> Intervals:
    """Return the stretches from the end of a gap or down to the next quote, which see nothing."""
    stretches = []
    for _, end, reason in unseen:
        if reason != "stale" and end < FAR:
            following = int(np.searchsorted(times, end))
            until = int(times[following]) if following < len(times) else FAR
            stretches.append((end, until, reason))
    return stretches


def _intervals(unseen: pd.DataFrame) -> Intervals:
    rows = zip(*(unseen[name].tolist() for name in ("start", "end", "reason")), strict=True)
    return [(start, end, reason) for start, end, reason in rows if start < end]


def _difference(ask: pd.Series[float], bid: pd.Series[float]) -> pd.Series[float]:
    """Return ask − bid as the decimals that both are: in binary 61824.01 − 61824 has noise."""
    return pd.Series(
        [
            float(Decimal(repr(a)) - Decimal(repr(b)))
            for a, b in zip(ask.tolist(), bid.tolist(), strict=True)
        ],
        ask.index,
        dtype=float,
    )


def market_of(
    name: str, quotes: pd.DataFrame, unseen: pd.DataFrame, trades: pd.DataFrame | None = None
) -> Market:
    """Return the market `name` made of its own ticks and of intervals (of any) in log order."""
    quotes = quotes.sort_values("time", kind="stable").reset_index(drop=True)
    bid, ask = quotes["bid"], quotes["ask"]
    spread, mid = _difference(ask, bid), (ask + bid) / 2
    sizes = quotes["bid_size"] + quotes["ask_size"]
    intervals = {
        kind: _intervals(unseen[(unseen["kind"] == kind) & (unseen["market"] == name)])
        for kind in ("quotes", "trades")
    }
    hidden = intervals["quotes"]
    times = quotes["time"].to_numpy(np.int64)
    quotes = quotes.assign(
        spread=spread,
        mid=mid,
        spread_bps=1e4 * spread / mid,
        imbalance=((quotes["bid_size"] - quotes["ask_size"]) / sizes).where(sizes > 0),
        depth=bid * quotes["bid_size"] + ask * quotes["ask_size"],
        good=~(quotes["crossed"] | quotes["one_sided"]).to_numpy(bool),
        hidden=covered(times, hidden),
    )
    dead = dead_stretches(times, hidden)
    ends = [moment for start, end, _ in hidden + dead for moment in (start, end) if moment < FAR]
    edges = np.unique(np.concatenate([times, np.array(ends, np.int64)]))
    in_force = np.searchsorted(times, edges, side="right") - 1
    good = (in_force >= 0) & quotes["good"].to_numpy(bool)[np.maximum(in_force, 0)]
    good &= ~covered(edges, hidden + dead)
    if trades is None:
        trades = pd.DataFrame({name: [] for name in ("time", "price", "side")})
    else:
        trades = trades[~trades["late"].astype(bool)]
    trades = trades.sort_values("time", kind="stable").reset_index(drop=True)
    seen_trades = intervals["trades"]
    return Market(name, quotes, trades, hidden, seen_trades, dead, edges, in_force, good)
