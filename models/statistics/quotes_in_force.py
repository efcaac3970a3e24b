"""Which quote of every market was in force when, within one second.

Everything is a column; prices and sizes are float64 unless said, times int64 ns. The rules are
section 5 of `docs/from-frames-to-figures.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.bursts import EVERY_MARKET, Unseen, UnseenReason
from models.statistics.decimals import price_middle
from models.statistics.unseen_time import UnseenTime, unseen_time

NEVER = np.iinfo(np.int64).max
"""The time of the first quote of a market that has had none."""

_LEVELS = ("bid", "ask", "bid_size", "ask_size")


class Quotes(msgspec.Struct, frozen=True):
    """Quotes in event-time order, equal times in the order of the log; shape (n,) each.

    `market` are indices below the number of markets.
    """

    market: NDArray[np.uint16]
    time: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_size: NDArray[np.float64]
    ask_size: NDArray[np.float64]


class CarriedQuotes(msgspec.Struct, frozen=True):
    """The quote in force of every market at a boundary.

    `first` is the time of a market's first quote, `NEVER` before it. `dead` holds, by market, the
    reason why the quote does not count until the next one; `unseen` says whether the market was
    unseen just before the boundary.
    """

    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_size: NDArray[np.float64]
    ask_size: NDArray[np.float64]
    first: NDArray[np.int64]
    unseen: NDArray[np.bool_]
    dead: Mapping[int, UnseenReason]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return which markets have had a quote."""
        known: NDArray[np.bool_] = self.first != NEVER
        return known

    @classmethod
    def none(cls) -> CarriedQuotes:
        """Return what is carried before anything was seen."""
        empty = np.zeros(0)
        return cls(empty, empty, empty, empty, np.zeros(0, np.int64), np.zeros(0, np.bool_), {})

    def widened(self, markets: int) -> CarriedQuotes:
        """Return the same for at least `markets` markets; the new ones are not known."""
        more = markets - len(self.bid)
        if more <= 0:
            return self
        nothing = np.full(more, np.nan)
        return CarriedQuotes(
            **{name: np.append(getattr(self, name), nothing) for name in _LEVELS},
            first=np.append(self.first, np.full(more, NEVER)),
            unseen=np.append(self.unseen, np.zeros(more, np.bool_)),
            dead=self.dead,
        )


class QuotesInForce(msgspec.Struct, frozen=True):
    """The quotes of one second `[begin, end)`, by market and within it by time, shape (n,) each.

    The quotes carried in come first of their market; `arrived` is False for them and `time` is
    `begin`. `good_ns` is the good time each was in force (float64, whole nanoseconds), `counted`
    says whether it is a good quote that came in this second. `before` and `after` are what was
    carried in and is carried out, for all markets; `unseen` holds the unseen time of the markets
    that have any.
    """

    begin: int
    end: int
    market: NDArray[np.uint16]
    time: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_size: NDArray[np.float64]
    ask_size: NDArray[np.float64]
    arrived: NDArray[np.bool_]
    good_ns: NDArray[np.float64]
    counted: NDArray[np.bool_]
    before: CarriedQuotes
    after: CarriedQuotes
    unseen: Mapping[int, UnseenTime]

    @property
    def markets(self) -> int:
        """Return the number of markets."""
        return len(self.after.bid)

    @property
    def first_quoted(self) -> NDArray[np.bool_]:
        """Return which markets have their first quote in this second."""
        return self.after.known & ~self.before.known

    @property
    def unseen_at_end(self) -> dict[int, UnseenReason]:
        """Return why markets are unseen just before the end, by market."""
        return {
            market: away.reason_at_end
            for market, away in self.unseen.items()
            if away.reason_at_end is not None
        }

    def mids(self, market: NDArray[np.uint16], moment: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the mid in force at each moment of `[begin − 1 ns, end)`; NaN where not good."""
        # One search over all markets: the key rises with the market, then with the time; what was
        # carried in stands at begin − 1 ns.
        span = self.end - self.begin + 1
        since = np.where(self.arrived, self.time - (self.begin - 1), 0)
        keys = self.market.astype(np.int64) * span + since
        wanted = market.astype(np.int64) * span + (moment - (self.begin - 1))
        place = np.searchsorted(keys, wanted, side="right") - 1
        if not len(keys):
            return np.full(len(market), np.nan)
        bid, ask = self.bid[place], self.ask[place]
        good = (place >= 0) & (self.market[place] == market) & (bid <= ask)
        earlier = moment < self.begin
        good[earlier] &= ~self.before.unseen[market[earlier]]
        for code, away in self.unseen.items():
            mine = np.flatnonzero((market == code) & ~earlier)
            if len(mine):
                good[mine] &= ~away.contains(moment[mine])
        result = np.full(len(market), np.nan)
        result[good] = price_middle(bid[good], ask[good])
        return result


def quotes_in_force(
    begin: int,
    end: int,
    names: Sequence[str],
    quotes: Quotes,
    unseen: Sequence[Unseen],
    carried: CarriedQuotes,
) -> QuotesInForce:
    """Return the quotes of `[begin, end)` of the markets `names`, and how long each was in force.

    `quotes` are all quotes of the second; `unseen` the intervals that begin before `end` and
    reach into it or begin in it, in the order of the log; `carried` what the second before left.
    """
    carried = carried.widened(len(names))
    known = np.flatnonzero(carried.known).astype(np.uint16)
    code = np.concatenate((known, quotes.market))
    order = np.argsort(code, kind="stable")
    code = code[order]
    time = np.concatenate((np.full(len(known), begin, np.int64), quotes.time))[order]
    level = {
        name: np.concatenate((getattr(carried, name)[known], getattr(quotes, name)))[order]
        for name in _LEVELS
    }
    arrived = order >= len(known)

    last = np.append(code[1:] != code[:-1], True) if len(code) else np.zeros(0, np.bool_)
    until = np.append(time[1:], end) if len(code) else time
    until[last] = end
    duration = until - time

    affected = _unseen_times(begin, end, names, code, time, arrived, unseen, carried)
    good = level["bid"] <= level["ask"]
    counted = arrived & good
    for market, away in affected.items():
        low, high = np.searchsorted(code, (market, market + 1))
        run = slice(int(low), int(high))
        duration[run] -= away.before(until[run]) - away.before(time[run])
        counted[run] &= ~away.contains(time[run])
    after = {name: getattr(carried, name).copy() for name in _LEVELS}
    for name, column in after.items():
        column[code[last]] = level[name][last]
    first = carried.first
    if len(quotes.time) and bool(np.any(first[quotes.market] == NEVER)):
        first = first.copy()
        np.minimum.at(first, quotes.market, quotes.time)
    unseen_now = np.zeros(len(names), np.bool_)
    unseen_now[[m for m, away in affected.items() if away.reason_at_end is not None]] = True
    return QuotesInForce(
        begin=begin,
        end=end,
        market=code,
        time=time,
        **level,
        arrived=arrived,
        good_ns=np.where(good, duration, 0).astype(np.float64),
        counted=counted,
        before=carried,
        after=CarriedQuotes(
            **after,
            first=first,
            unseen=unseen_now,
            dead={market: away.dead for market, away in affected.items() if away.dead is not None},
        ),
        unseen=affected,
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
