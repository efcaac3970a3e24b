"""The state of the bars agent: rings of bars, one an interval."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.runtime.source_log import SECOND
from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.statistics.bars import ABSENT, BAR_COLUMNS, Columns, merged_bars
from models.statistics.indicators import ROW_BARS

MINUTE = 60
MINUTE_NS = MINUTE * SECOND
CANDLE_MINUTES = 25 * 60
"""How many minutes before the newest closed one a candle may still fill."""

# A round closes several minutes before it is written down, and its outputs may have to be made
# once more from what the rings hold then.
_SPARE = 16


class RingTable(msgspec.Struct, frozen=True):
    """The newest `slots` bars of an interval, merged from `parts` bars of the interval `of`."""

    interval: BarInterval
    slots: int
    of: BarInterval | None
    parts: int

    @property
    def minutes(self) -> int:
        """Return the interval's length."""
        return INTERVAL_SECONDS[self.interval] // MINUTE


TABLES: dict[BarInterval, RingTable] = {
    table.interval: table
    for table in (
        # An hour that a candle has changed is merged anew from all of its minutes.
        RingTable("1m", CANDLE_MINUTES + 60 + _SPARE, None, 1),
        RingTable("5m", ROW_BARS + _SPARE, "1m", 5),
        RingTable("1h", ROW_BARS + _SPARE, "1m", 60),
        RingTable("1d", ROW_BARS + _SPARE, "1h", 24),
    )
}
"""By interval, shorter ones first."""


class BarRing:
    """The bars of one interval of one source; markets are columns and may grow in number.

    A bar's number is its start divided by its length.
    """

    def __init__(self, slots: int) -> None:
        """Hold nothing yet."""
        self.slots = slots
        self._width = 0
        self._index = np.full(slots, -1, np.int64)
        self._values: Columns = {
            name: np.full((slots, 0), empty, kind) for name, (kind, empty) in BAR_COLUMNS.items()
        }

    def put(self, index: int, codes: NDArray[np.int64], bars: Columns) -> None:
        """Keep these markets' bars number `index`, beside those of other markets there.

        A bar older than what its slot holds is passed over.
        """
        if not len(codes):
            return
        width = int(codes.max()) + 1
        if width > self._width:
            self._widen(max(width, 2 * self._width))
        slot = index % self.slots
        if self._index[slot] > index:
            return
        if self._index[slot] < index:
            self._index[slot] = index
            for name, (_, empty) in BAR_COLUMNS.items():
                self._values[name][slot] = empty
        for name, column in bars.items():
            self._values[name][slot, codes] = column

    def at(self, index: int, codes: NDArray[np.int64]) -> Columns:
        """Return the bars number `index` of these markets."""
        return {name: rows[0] for name, rows in self.window(index + 1, 1, codes).items()}

    def window(self, end: int, count: int, codes: NDArray[np.int64]) -> Columns:
        """Return the `count` bars before number `end`, shape (count, markets), oldest first.

        `count` is at most the number of slots; what the ring does not hold is absent.
        """
        indices = np.arange(end - count, end)
        slots = indices % self.slots
        held = codes < self._width
        there = (self._index[slots] == indices)[:, None] & held
        within = np.where(held, codes, 0)
        window: Columns = {}
        for name, (kind, empty) in BAR_COLUMNS.items():
            if not self._width:
                window[name] = np.full((count, len(codes)), empty, kind)
                continue
            rows = self._values[name][slots[:, None], within]
            rows[~there] = empty
            window[name] = rows
        return window

    def present(self, index: int) -> NDArray[np.int64]:
        """Return the codes of the markets that have a bar number `index`."""
        slot = index % self.slots
        if self._index[slot] != index:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self._values["origin"][slot] != ABSENT)

    def held(self, begin: int, end: int) -> list[int]:
        """Return which numbers from `begin` up to, not including, `end` have a slot here."""
        chosen = self._index[(self._index >= begin) & (self._index < end)]
        return sorted(int(index) for index in chosen)

    def _widen(self, width: int) -> None:
        for name, (kind, empty) in BAR_COLUMNS.items():
            wider = np.full((self.slots, width), empty, kind)
            wider[:, : self._width] = self._values[name]
            self._values[name] = wider
        self._width = width


class BarRings:
    """All intervals of one source, and the names behind market codes."""

    def __init__(self) -> None:
        """Hold nothing, know no market."""
        self.rings = {interval: BarRing(table.slots) for interval, table in TABLES.items()}
        self.names: list[str] = []
        self._codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        """Return the number under which this worker knows a market."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
        return code

    def codes(self, names: list[str]) -> NDArray[np.int64]:
        """Return the numbers of markets."""
        return np.array([self.code(name) for name in names], np.int64)

    def sorted_by_name(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return codes in the order of their markets' names, in which everything is published."""
        return np.array(sorted(codes.tolist(), key=self.names.__getitem__), np.int64)

    def merge(self, table: RingTable, index: int) -> NDArray[np.int64]:
        """Make the longer bars number `index` of all markets anew; return who has one."""
        assert table.of is not None
        codes = np.arange(len(self.names))
        parts = self.rings[table.of].window((index + 1) * table.parts, table.parts, codes)
        there = np.flatnonzero((parts["origin"] != ABSENT).any(axis=0))
        if len(there):
            chosen: dict[str, NDArray[Any]] = {name: rows[:, there] for name, rows in parts.items()}
            self.rings[table.interval].put(index, there, merged_bars(chosen))
        return there
