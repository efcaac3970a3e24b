"""The quoted spread of many markets over one second.

Everything is a column over markets, float64 unless said; times are int64 ns. The rules are
sections 5 and 6 of `docs/from-frames-to-figures.md`. Sums run in tick order (`np.bincount` adds
one after the other), so no value depends on how the ticks were handed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.bursts import EVERY_MARKET, Unseen, UnseenReason
from models.statistics.decimals import price_difference
from models.statistics.unseen_time import UnseenTime, unseen_time

SUMS = ("good_ns", "n", "spread_ns", "spread_bps_ns", "spread_sum")
MINIMA = ("minimum",)
MAXIMA = ("maximum",)
"""Columns of a pane: good time (ns), good quotes, Σ s·Δt, Σ s_bps·Δt, Σ s, least and greatest s.

All are float64; whole numbers up to 2⁵³ are exact in it.
"""


class Quotes(msgspec.Struct, frozen=True):
    """Quotes in event-time order, equal times in the order of the log; shape (n,) each.

    `market` are indices below the number of markets.
    """

    market: NDArray[np.uint16]
    time: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]


class CarriedQuotes(msgspec.Struct, frozen=True):
    """The quote in force of every market at a boundary.

    `known` is False before a market's first quote. `dead` holds, by market, the reason why the
    quote does not count until the next one.
    """

    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    known: NDArray[np.bool_]
    dead: Mapping[int, UnseenReason]

    @classmethod
    def none(cls) -> CarriedQuotes:
        """Return what is carried before anything was seen."""
        empty = np.zeros(0)
        return cls(empty, empty, np.zeros(0, np.bool_), {})

    def widened(self, markets: int) -> CarriedQuotes:
        """Return the same for at least `markets` markets; the new ones are not known."""
        more = markets - len(self.bid)
        if more <= 0:
            return self
        nothing = np.full(more, np.nan)
        return CarriedQuotes(
            np.append(self.bid, nothing),
            np.append(self.ask, nothing),
            np.append(self.known, np.zeros(more, np.bool_)),
            self.dead,
        )


class SpreadSecond(msgspec.Struct, frozen=True):
    """One closed second.

    Its pane, the quotes carried out of it, and why markets are unseen at its end. `first_quoted`
    marks the markets whose first quote lies in it.
    """

    pane: dict[str, NDArray[np.float64]]
    carried: CarriedQuotes
    unseen_at_end: Mapping[int, UnseenReason]
    first_quoted: NDArray[np.bool_]


def close_second(
    begin: int,
    end: int,
    names: Sequence[str],
    quotes: Quotes,
    unseen: Sequence[Unseen],
    carried: CarriedQuotes,
) -> SpreadSecond:
    """Return the pane of `[begin, end)` for the markets `names`.

    `quotes` are all quotes of the second; `unseen` the intervals that begin before `end` and
    reach into it or begin in it, in the order of the log; `carried` what the second before left.
    """
    markets = len(names)
    carried = carried.widened(markets)
    known = np.flatnonzero(carried.known).astype(np.uint16)
    code = np.concatenate((known, quotes.market))
    order = np.argsort(code, kind="stable")
    code = code[order]
    time = np.concatenate((np.full(len(known), begin, np.int64), quotes.time))[order]
    bid = np.concatenate((carried.bid[known], quotes.bid))[order]
    ask = np.concatenate((carried.ask[known], quotes.ask))[order]
    arrived = order >= len(known)

    last = np.append(code[1:] != code[:-1], True) if len(code) else np.zeros(0, np.bool_)
    until = np.append(time[1:], end) if len(code) else time
    until[last] = end
    duration = until - time

    affected = _unseen_times(begin, end, names, code, time, arrived, unseen, carried)
    counted = arrived.copy()
    for market, away in affected.items():
        low, high = np.searchsorted(code, (market, market + 1))
        run = slice(int(low), int(high))
        duration[run] -= away.before(until[run]) - away.before(time[run])
        counted[run] &= ~away.contains(time[run])

    good = bid <= ask
    counted &= good
    spread = price_difference(ask, bid)
    spread_bps = 2e4 * spread / (ask + bid)
    weight = np.where(good, duration, 0).astype(np.float64)
    in_force = counted | (weight > 0)
    finite = np.where(good, spread, 0.0)
    finite_bps = np.where(good, spread_bps, 0.0)
    pane = {
        "good_ns": np.bincount(code, weight, markets),
        "n": np.bincount(code, counted, markets),
        "spread_ns": np.bincount(code, finite * weight, markets),
        "spread_bps_ns": np.bincount(code, finite_bps * weight, markets),
        "spread_sum": np.bincount(code, np.where(counted, spread, 0.0), markets),
        "minimum": np.full(markets, np.inf),
        "maximum": np.full(markets, -np.inf),
    }
    np.minimum.at(pane["minimum"], code[in_force], spread[in_force])
    np.maximum.at(pane["maximum"], code[in_force], spread[in_force])

    known_now = carried.known.copy()
    known_now[quotes.market] = True
    bid_now, ask_now = carried.bid.copy(), carried.ask.copy()
    bid_now[code[last]], ask_now[code[last]] = bid[last], ask[last]
    return SpreadSecond(
        pane,
        CarriedQuotes(
            bid_now,
            ask_now,
            known_now,
            {market: away.dead for market, away in affected.items() if away.dead is not None},
        ),
        {
            market: away.reason_at_end
            for market, away in affected.items()
            if away.reason_at_end is not None
        },
        known_now & ~carried.known,
    )


def _unseen_times(
    begin: int,
    end: int,
    names: Sequence[str],
    code: NDArray[np.uint16],
    time: NDArray[np.int64],
    arrived: NDArray[np.bool_],
    unseen: Sequence[Unseen],
    carried: CarriedQuotes,
) -> dict[int, UnseenTime]:
    """Return the unseen time of every market that has any in this second, by market."""
    if not unseen and not carried.dead:
        return {}
    named = {row.market for row in unseen}
    affected = {
        market
        for market, name in enumerate(names)
        if EVERY_MARKET in named or name in named or market in carried.dead
    }
    result: dict[int, UnseenTime] = {}
    for market in sorted(affected):
        rows = [row for row in unseen if row.market in (names[market], EVERY_MARKET)]
        low, high = np.searchsorted(code, (market, market + 1))
        run = slice(int(low), int(high))
        quote_times = time[run][arrived[run]]
        result[market] = unseen_time(begin, end, quote_times, rows, carried.dead.get(market))
    return result
