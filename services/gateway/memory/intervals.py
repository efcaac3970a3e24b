"""Bars and indicators in memory: a ring a market and interval, rows of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np

from models.records.bars import INTERVAL_SECONDS, BarInterval, Bars, Indicators
from models.times import seconds_of
from services.gateway.channels import key_of, split_key
from services.gateway.delay import LineDelay
from services.gateway.items import Figures, Item
from services.gateway.memory.interval_rows import (
    MISSING,
    SECOND,
    SOURCES,
    HeldRows,
    Reasons,
    Shape,
    shown,
)
from services.gateway.memory.ring import Ring, Rows
from services.gateway.records import DerivedRecord

HELD: dict[BarInterval, int] = {"1m": 1_500, "5m": 600, "1h": 600, "1d": 400}
"""How many bars of an interval are held of a market."""


class IntervalFigures:
    """Figures of a topic that has a record an interval end; `seq` is start ÷ interval.

    A key is `market|interval`. A row that says the same again is dropped. One that says something
    else, or comes behind a later one, is *revised*: it takes its place, and subscribers get it
    outside of their chain of `prev_seq`.
    """

    def __init__(self, shape: Shape, delay: LineDelay) -> None:
        self.shape = shape
        self._delay = delay
        self._row = shape.row()
        self._rings: dict[tuple[str, BarInterval], Ring] = {}
        self._progress: dict[tuple[str, int, BarInterval], int] = {}
        self._source_of: dict[str, tuple[str, int]] = {}
        self._reasons = Reasons()
        self.repeated = 0
        self.revised = 0

    def take(self, record: DerivedRecord, *, tells: bool = True) -> list[Item]:
        """Take one source's interval end; return the markets of which it says something new.

        Where nobody is told it returns nothing: at the start that is most of the work.
        """
        figures = cast(Bars | Indicators, record.value)
        interval = figures.interval
        as_of = seconds_of(figures.as_of)
        seq = as_of // INTERVAL_SECONDS[interval] - 1
        source = figures.exchange, figures.partition
        self._progress[*source, interval] = max(self._progress.get((*source, interval), 0), as_of)
        rows = self._rows_of(figures, seq, record.place.timestamp)
        items = []
        for market, row in zip(figures.markets, rows, strict=True):
            self._source_of[market] = source
            item = self._put(market, interval, seq, row, record.place.timestamp, tells)
            if item is not None:
                items.append(item)
        return items

    def markets(self) -> Iterator[str]:
        """Yield the keys that have a row."""
        for market, interval in self._rings:
            yield key_of(market, interval)

    def has(self, market: str) -> bool:
        """Return whether anything is held of a market."""
        return any((market, interval) in self._rings for interval in HELD)

    def newest(self, key: str) -> Item | None:
        """Return the newest row of a key, None if there is none."""
        found = split_key(key)
        ring = None if found is None else self._rings.get(found)
        if found is None or ring is None:
            return None
        market, interval = found
        row = ring.get(ring.newest)
        return self._item(market, interval, row, _before(ring, ring.newest))

    def missed(self, key: str, seq: int) -> list[Item] | None:
        """Return the rows after `seq`, and those that may have been revised since it was sent.

        None where it is too long ago.
        """
        found = split_key(key)
        ring = None if found is None else self._rings.get(found)
        if found is None or ring is None:
            return None
        market, interval = found
        rows = ring.rows()
        known = rows[rows["seq"] <= seq]
        if not len(known):
            return None
        sent = known[~known["revised"]]["published"]
        late = known[known["revised"] & (known["published"] >= (sent[-1] if len(sent) else 0))]
        items = [self._item(market, interval, row, None, is_revised=True) for row in late]
        last = int(known["seq"][-1])
        for row in rows[rows["seq"] > seq]:
            items.append(self._item(market, interval, row, last))
            last = int(row["seq"])
        return items

    def held(self, markets: Iterable[str], interval: BarInterval) -> HeldRows:
        """Return copies of the rows of some markets as they stand now."""
        rings = {market: self._rings.get((market, interval)) for market in markets}
        rows = {m: np.empty(0, self._row) if r is None else r.rows() for m, r in rings.items()}
        due = {m: self._next_due(m, interval) for m, ring in rings.items() if ring is not None}
        full = frozenset(m for m, ring in rings.items() if ring is not None and ring.is_full)
        return HeldRows(self.shape, interval, rows, self._reasons, self._delay, due, full)

    def _figures(self, market: str, interval: BarInterval, row: Any) -> Figures:
        """Return a row as the public interface shows it, as it stands now."""
        figures = shown(self.shape, market, interval, row.item(), self._reasons)
        if int(row["seq"]) < self._rings[market, interval].newest:
            return figures
        return self._delay.marked(figures, self._next_due(market, interval))

    def _next_due(self, market: str, interval: BarInterval) -> int:
        # The next one ends an interval later; it is late when its source has not brought it.
        progress = self._progress[*self._source_of[market], interval]
        return (progress + INTERVAL_SECONDS[interval]) * SECOND

    def memory_bytes(self) -> int:
        """Return how much memory the rows take."""
        return sum(ring.nbytes for ring in self._rings.values())

    def _rows_of(self, figures: Bars | Indicators, seq: int, published: int) -> Rows:
        rows = np.zeros(len(figures.markets), self._row)
        rows["seq"], rows["published"] = seq, published
        values = rows["values"]
        for name in self.shape.floats:
            values[name] = np.array(getattr(figures, name), "<f8")
        for name in (*self.shape.counts, *self.shape.times):
            values[name] = [MISSING if x is None else x for x in getattr(figures, name)]
        values["source"] = [SOURCES.index(source) for source in figures.source]
        values["reasons"] = [self._reasons.code_of(reasons) for reasons in figures.reasons]
        return rows

    def _put(
        self,
        market: str,
        interval: BarInterval,
        seq: int,
        row: Any,
        published: int,
        tells: bool,
    ) -> Item | None:
        ring = self._rings.get((market, interval))
        if ring is None:
            ring = self._rings[market, interval] = Ring(self._row, HELD[interval])
        newest = ring.newest
        if seq > newest:
            ring.append(seq, row)
            if not tells:
                return None
            before = None if newest < 0 else newest
            return self._numbered_item(market, interval, seq, published, row, before)
        held = ring.get(seq)
        if held is not None and held["values"].tobytes() == row["values"].tobytes():
            self.repeated += 1
            return None
        row["revised"] = True
        if not ring.put(row):
            return None
        self.revised += 1
        if not tells:
            return None
        return self._item(market, interval, row, None, is_revised=True)

    def _item(
        self,
        market: str,
        interval: BarInterval,
        row: Any,
        prev_seq: int | None,
        is_revised: bool = False,
    ) -> Item:
        seq, published = int(row["seq"]), int(row["published"])
        return self._numbered_item(market, interval, seq, published, row, prev_seq, is_revised)

    def _numbered_item(
        self,
        market: str,
        interval: BarInterval,
        seq: int,
        published: int,
        row: Any,
        prev_seq: int | None,
        is_revised: bool = False,
    ) -> Item:
        return Item(
            key_of(market, interval),
            seq,
            prev_seq,
            (seq + 1) * INTERVAL_SECONDS[interval] * SECOND,
            published,
            lambda: self._figures(market, interval, row),
            is_revised=is_revised,
        )


def _before(ring: Ring, seq: int) -> int | None:
    """Return the number of the row before; mostly it is the very next one."""
    numbers = range(seq - 1, ring.horizon - 1, -1)
    return next((number for number in numbers if ring.get(number) is not None), None)
