"""What happened at one source lately, in steps of five seconds, out of its spreads and trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.orders.fill_rate import PastSteps
from models.orders.limit_price import Side, limit_prices
from models.records.bursts import TickFlag, TradeBurst
from models.times import seconds_of

STEP_S = 5
WINDOW_S = 3_600
LONGEST_HORIZON_S = 600
_SLOTS = (WINDOW_S + LONGEST_HORIZON_S) // STEP_S
_DISJOINT_S = 15
"""Impact is published over windows of 15 s: one in three steps, and none counts twice."""

Floats = NDArray[np.float64]


class SpreadColumns(msgspec.Struct, frozen=True):
    """The part of a record of the topic `spreads` that is needed here."""

    exchange: str
    as_of: str
    markets: list[str]
    bid: list[float | None]
    ask: list[float | None]
    mid: list[float | None]
    baseline_bps: list[float | None]
    impact_60s_bps: list[float | None]
    realised_60s_n: list[int]
    trades_coverage: list[float]


class Impact(msgspec.Struct, frozen=True):
    """The mean price impact over `n` trades of the window; None without one."""

    bps: float | None
    n: int


_FIELDS = ("bid", "ask", "mid", "baseline_bps", "impact_60s_bps", "realised_60s_n", "low", "high")
_NOTHING = {"low": np.inf, "high": -np.inf, "realised_60s_n": 0.0}


class _Ring:
    """The newest steps of one market; a step's number is its end divided by its length."""

    def __init__(self) -> None:
        self.number = np.full(_SLOTS, -1, np.int64)
        self.seen = np.zeros(_SLOTS, np.bool_)
        self.columns = {name: np.full(_SLOTS, _NOTHING.get(name, np.nan)) for name in _FIELDS}

    def slot(self, number: int) -> int | None:
        """Return where a step is kept; None when a newer one has taken its place."""
        slot = number % _SLOTS
        if self.number[slot] > number:
            return None
        if self.number[slot] < number:
            self.number[slot] = number
            self.seen[slot] = False
            for name, column in self.columns.items():
                column[slot] = _NOTHING.get(name, np.nan)
        return slot

    def since(self, first: int, last: int) -> tuple[NDArray[np.bool_], dict[str, Floats]]:
        """Return the steps `first … last`; what is not there is unseen."""
        numbers = np.arange(first, last + 1)
        slots = numbers % _SLOTS
        there = self.number[slots] == numbers
        return self.seen[slots] & there, {
            name: np.where(there, column[slots], _NOTHING.get(name, np.nan))
            for name, column in self.columns.items()
        }


class SourcePast:
    """The past of every market of one exchange in one partition."""

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._rings: dict[str, _Ring] = {}
        self._newest = -1

    def take_spreads(self, columns: SpreadColumns) -> None:
        """Take the spreads of one second; only the ends of steps are kept."""
        as_of = seconds_of(columns.as_of)
        if columns.exchange != self._exchange or as_of % STEP_S:
            return
        number = as_of // STEP_S
        self._newest = max(self._newest, number)
        for i, market in enumerate(columns.markets):
            ring = self._rings.setdefault(market, _Ring())
            slot = ring.slot(number)
            if slot is None:
                continue
            for name in ("bid", "ask", "mid", "baseline_bps", "impact_60s_bps", "realised_60s_n"):
                value = getattr(columns, name)[i]
                ring.columns[name][slot] = np.nan if value is None else value
            ring.seen[slot] = columns.mid[i] is not None and columns.trades_coverage[i] > 1 - 1e-9

    def take_trades(self, burst: TradeBurst) -> None:
        """Take a burst of trades; late ones are left out, as everywhere."""
        prices = np.frombuffer(burst.price, "<f8")
        late = np.frombuffer(burst.flags, "u1") & TickFlag.LATE
        # A step holds the trades before its end, so its number is one more than theirs.
        numbers = np.frombuffer(burst.time, "<i8") // (STEP_S * 1_000_000_000) + 1
        codes = burst.market_codes()
        on_time = late == 0
        for code, number in {*zip(codes[on_time].tolist(), numbers[on_time].tolist(), strict=True)}:
            ring = self._rings.setdefault(burst.markets[code], _Ring())
            slot = ring.slot(number)
            if slot is None:
                continue
            mine = prices[on_time & (codes == code) & (numbers == number)]
            low, high = ring.columns["low"], ring.columns["high"]
            low[slot] = min(low[slot], mine.min())
            high[slot] = max(high[slot], mine.max())

    def steps(self, market: str, side: Side, tick: float, horizon_s: int) -> PastSteps:
        """Return the past of a market up to the newest step; placements reach back an hour."""
        seen, columns = self._window(market, WINDOW_S + horizon_s)
        price = limit_prices(
            side, columns["bid"], columns["ask"], columns["mid"], columns["baseline_bps"], tick
        )
        return PastSteps(price, columns["mid"], columns["low"], columns["high"], seen)

    def impact(self, market: str) -> Impact:
        """Return the mean impact after a minute of the trades of the last hour."""
        _, columns = self._window(market, WINDOW_S)
        ends = np.arange(self._newest - len(columns["mid"]) + 1, self._newest + 1) * STEP_S
        weight = np.where(ends % _DISJOINT_S == 0, columns["realised_60s_n"], 0.0)
        weight = np.where(np.isfinite(columns["impact_60s_bps"]), weight, 0.0)
        n = int(weight.sum())
        if n == 0:
            return Impact(None, 0)
        return Impact(float(np.nansum(weight * columns["impact_60s_bps"]) / n), n)

    def _window(self, market: str, seconds: int) -> tuple[NDArray[np.bool_], Mapping[str, Floats]]:
        ring = self._rings.get(market) or _Ring()
        return ring.since(self._newest - seconds // STEP_S + 1, self._newest)


FindPast = Callable[[str], SourcePast]
"""Given a market: the past of its source. It may block, and raise `TransportError`."""


def nothing_past(market: str) -> SourcePast:
    """Return a past in which nothing happened: of a gateway that has no topics to read it from."""
    return SourcePast(market.partition(":")[0])
