"""Rows of bars and indicators as memory holds them, and what the public interface shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from models.markets import coin_of, exchange_of
from models.records.bars import INTERVAL_SECONDS, BarInterval, BarSource
from models.records.reasons import Reason
from models.times import iso_microseconds, iso_seconds
from services.gateway.delay import LineDelay
from services.gateway.items import Figures
from services.gateway.memory.ring import Rows

SECOND = 1_000_000_000
MISSING = -1
SOURCES: tuple[BarSource, ...] = ("live", "rest", "mixed", "capture")
UNSEEN = frozenset({"gap", "stale", "down"})


class Shape(msgspec.Struct, frozen=True):
    """Which columns a record has: floats, counts, times (ns); each may be null."""

    floats: tuple[str, ...]
    counts: tuple[str, ...] = ("n",)
    times: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every column."""
        return (*self.floats, *self.counts, *self.times)

    def values(self) -> np.dtype[Any]:
        """Return the type of one market's values."""
        return np.dtype(
            [(name, "<f8") for name in self.floats]
            + [(name, "<i4") for name in self.counts]
            + [(name, "<i8") for name in self.times]
            + [("source", "u1"), ("reasons", "<u2")]
        )

    def row(self) -> np.dtype[Any]:
        """Return the type of a row: its number, when it was produced (ms), and its values."""
        return np.dtype(
            [("seq", "<i8"), ("published", "<i8"), ("revised", "?"), ("values", self.values())]
        )


BARS = Shape(
    ("open", "high", "low", "close", "volume", "quote_volume", "vwap", "coverage"),
    times=("first_trade", "last_trade"),
)
INDICATORS = Shape(
    (
        "sma_20", "ema_20", "bollinger_upper", "bollinger_lower", "rsi_14", "atr_14",
        "realised_volatility", "vwap_20",
    )
)  # fmt: skip


Plain = tuple[int, int, bool, tuple[Any, ...]]
"""A row as Python's own numbers: one look at a numpy field costs as much as a whole such row."""


class Reasons:
    """Reasons by number: they are few and the same for most rows, so a row holds a number."""

    def __init__(self) -> None:
        self._reasons: list[dict[str, Reason]] = []
        self._codes: dict[bytes, int] = {}

    def __getitem__(self, code: int) -> dict[str, Reason]:
        """Return the reasons of a number. Any thread may ask: a number keeps its meaning."""
        return self._reasons[code]

    def code_of(self, reasons: Any) -> int:
        """Return the number of these reasons, a new one if there is none."""
        key = msgspec.json.encode(reasons)
        code = self._codes.get(key)
        if code is None:
            code = len(self._reasons)
            self._reasons.append(dict(reasons))
            self._codes[key] = code
        return code


class HeldRows(msgspec.Struct, frozen=True):
    """Rows of some markets, copied: they stay as they are, so any thread may read them.

    `next_due` is by market when what follows its newest row is late at the earliest (ns); a market
    that is not among them is never late. Of those in `full` older rows had to make room.
    """

    shape: Shape
    interval: BarInterval
    rows: Mapping[str, Rows]
    reasons: Reasons
    delay: LineDelay
    next_due: Mapping[str, int]
    full: frozenset[str] = frozenset()

    def plain(self, market: str) -> list[Plain]:
        """Return a market's rows, in order."""
        found: list[Plain] = self.rows[market].tolist()
        return found

    def figures(self, market: str, rows: Sequence[Plain]) -> list[Figures]:
        """Return rows of a market as the public interface shows them."""
        found = [shown(self.shape, market, self.interval, row, self.reasons) for row in rows]
        held, due = self.rows[market], self.next_due.get(market)
        if due is not None and rows and rows[-1][0] == int(held["seq"][-1]):
            found[-1] = self.delay.marked(found[-1], due)
        return found


def shown(
    shape: Shape, market: str, interval: BarInterval, row: Plain, reasons: Reasons
) -> Figures:
    """Return a row as the public interface shows it; whether it is late is not said."""
    seconds = INTERVAL_SECONDS[interval]
    seq, _, _, values = row
    *columns, source, code = values
    why = reasons[code]
    numbers = dict(zip(shape.names, columns, strict=True))
    for name in shape.floats:
        if numbers[name] != numbers[name]:
            numbers[name] = None
    for name in shape.counts:
        if numbers[name] == MISSING:
            numbers[name] = None
    for name in shape.times:
        time = numbers[name]
        numbers[name] = None if time == MISSING else iso_microseconds(time)
    return {
        "market": market,
        "exchange": exchange_of(market),
        "coin": coin_of(market),
        "quote_currency": market.rpartition("-")[2],
        "interval": interval,
        "start": iso_seconds(seq * seconds),
        "as_of": iso_seconds((seq + 1) * seconds),
        **numbers,
        "source": SOURCES[source],
        "stale": not UNSEEN.isdisjoint(why.values()),
        "reasons": why,
    }
