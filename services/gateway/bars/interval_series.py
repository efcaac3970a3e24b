"""Bars and indicators further back than memory reaches.

A range is read in windows of numbers (start ÷ interval), so memory does not grow with it; what is
in memory stands for itself, the archive for what lies before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.statistics.indicators import ROW_BARS
from services.gateway.bars.composite import CompositeSeries
from services.gateway.bars.composite_indicators import CompositeIndicators
from services.gateway.bars.gathered_rows import GatheredRows
from services.gateway.bars.interval_schema import Topic, series_schema
from services.gateway.bars.series import MarketSeries
from services.gateway.bars.series import Series as FigureSeries
from services.gateway.gateway import Gateway
from services.gateway.history.places import GatewayHistory
from services.gateway.history.rows import HistoryRows, Place, batch_of, plain_objects
from services.gateway.items import Figures
from services.gateway.memory.interval_rows import HeldRows
from services.gateway.memory.ring import Rows
from services.history.merging import times_of
from services.history.series import clipped
from services.history.source import Series, Span

_SECOND = 1_000_000_000
_BARS_AT_ONCE = 1_440


def interval_series(
    gateway: Gateway,
    topic: Topic,
    markets: Sequence[str],
    interval: BarInterval,
    numbers: tuple[int, int],
    *,
    is_composite: bool,
) -> IntervalSeries:
    """Return a series as it stands now; what is in memory is copied."""
    memory = gateway.memory
    store = memory.bars if topic == "bars" or is_composite else memory.indicators
    held = store.held(markets, interval)
    return IntervalSeries(gateway.history, topic, tuple(markets), is_composite, *numbers, held)


class IntervalSeries(msgspec.Struct, frozen=True):
    """Bars or indicators with numbers in `[first, last)`, of a market or merged from several.

    `held` are the rows of bars or indicators in memory. Indicators of several markets follow from
    their bars.
    """

    history: GatewayHistory | None
    topic: Topic
    markets: tuple[str, ...]
    is_composite: bool
    first: int
    last: int
    held: HeldRows

    @property
    def interval(self) -> BarInterval:
        """How long a bar is."""
        return self.held.interval

    def as_held(self) -> FigureSeries:
        """Return what `held` says, the range left aside; the newest may be late."""
        return self._series_over(self.held)

    def with_stand_ins(self) -> IntervalSeries:
        """Return the series with backfilled bars in memory where those there say less.

        Raises:
            StoreError: the archive cannot be read.
        """
        if self.history is None or not self.is_of_bars:
            return self
        length = INTERVAL_SECONDS[self.interval] * _SECOND
        part = GatheredRows("bars", self.interval)
        for market, rows in self.held.rows.items():
            # Where memory has nothing, history is read with all of its places.
            start = (int(rows["seq"][0]) + 1) * length if len(rows) else None
            found = (
                () if start is None else self.history.series.stand_ins(self._series(market), start)
            )
            part.put(market, found, rows, self.held.reasons)
        gathered = part.held()
        held = msgspec.structs.replace(self.held, rows=gathered.rows, reasons=gathered.reasons)
        return msgspec.structs.replace(self, held=held)

    @property
    def is_of_bars(self) -> bool:
        """Whether it follows from bars, of which backfilled ones may say more."""
        return self.topic == "bars" or self.is_composite

    def is_in_memory(self) -> bool:
        """Return whether the archive has nothing to add."""
        return self.history is None or all(
            len(rows) and int(rows["seq"][0]) <= self.first for rows in self._held()
        )

    def open(self, after: Place | None) -> HistoryRows:
        """Return the rows behind a place, which is a number.

        Raises:
            StoreError: the archive cannot be read; `batches` may raise it as well.
        """
        return self.with_stand_ins()._open(after)

    def _open(self, after: Place | None) -> HistoryRows:
        first = self.first if after is None else max(self.first, after[0] + 1)
        begins, complete_from, gaps = self._reach(first)
        length = INTERVAL_SECONDS[self.interval]
        held_from = [int(rows["seq"][0]) * length * _SECOND for rows in self._held() if len(rows)]
        schema = series_schema(self.topic, self.is_composite)
        return HistoryRows(
            schema,
            self._batches(schema, first, _earliest(begins, *held_from)),
            lambda batch, row: (int(times_of(batch, "start")[row]) // 1_000_000 // length,),
            plain_objects,
            gaps,
            _earliest(complete_from, *held_from),
        )

    def _held(self) -> Iterator[Rows]:
        return iter(self.held.rows.values())

    def _reach(self, first: int) -> tuple[int | None, int | None, list[Span]]:
        """Return where the archive begins and is complete (ns), and what the range lacks."""
        if self.history is None:
            return None, None, []
        length = INTERVAL_SECONDS[self.interval] * _SECOND
        begins: list[int | None] = []
        complete_from: list[int | None] = []
        gaps: set[tuple[int, int]] = set()
        for market in self.markets:
            until = min(self._until(market) + 1, self.last) * length
            if until <= first * length:
                continue
            # Nothing is read until rows are asked for, but for the log behind the archive.
            found = self.history.series.read(self._series(market), until, until)
            begins.append(found.first)
            complete_from.append(found.complete_from)
            for span in self.history.series.lost(self._series(market), first * length, until):
                part = clipped(span, first * length, until)
                gaps |= set() if part is None else {(part.start, part.end)}
        missing = [Span(*gap) for gap in sorted(gaps)]
        return _earliest(*begins), _earliest(*complete_from), missing

    def _series(self, market: str) -> Series:
        return Series("bars" if self.is_of_bars else "indicators", market, self.interval)

    def _until(self, market: str) -> int:
        """Return the number from which on memory has the market."""
        rows = self.held.rows[market]
        return int(rows["seq"][0]) if len(rows) else self.last

    def _batches(
        self, schema: pa.Schema, first: int, begins: int | None
    ) -> Iterator[pa.RecordBatch]:
        if begins is None:
            return
        length = INTERVAL_SECONDS[self.interval]
        newest = max((int(rows["seq"][-1]) for rows in self._held() if len(rows)), default=None)
        last = self.last if newest is None else min(self.last, newest + 1)
        number = max(first, begins // _SECOND // length - 1, 0)
        empty = 0
        while number < last:
            until = min(number + _BARS_AT_ONCE, last)
            figures = list(self._figures(number, until))
            if figures:
                yield batch_of(figures, schema)
            empty = 0 if figures else empty + 1
            if newest is None and empty and until * length * _SECOND > self._ends(begins):
                return
            number = until

    def _ends(self, begins: int) -> int:
        """Return behind what the archive has nothing; only where memory has nothing either."""
        assert self.history is not None, "without memory there is an archive, or no row"
        spans = [self.history.series.archived(self._series(market)) for market in self.markets]
        return max((span.end for span in spans if span is not None), default=begins)

    def _figures(self, first: int, until: int) -> Iterator[Figures]:
        """Yield the figures with numbers in `[first, until)`."""
        looks_back = ROW_BARS - 1 if self.topic == "indicators" and self.is_composite else 0
        part = GatheredRows("bars" if self.is_of_bars else "indicators", self.interval)
        for market in self.markets:
            self._read(part, market, max(first - looks_back, 0), until)
        series = self._series_over(part.held())
        yield from series.figures([n for n in series.numbers() if first <= n < until])

    def _series_over(self, held: HeldRows) -> FigureSeries:
        if not self.is_composite:
            return MarketSeries(held, self.markets[0])
        of_several = CompositeSeries if self.topic == "bars" else CompositeIndicators
        return of_several(held, self.markets)

    def _read(self, part: GatheredRows, market: str, first: int, until: int) -> None:
        length = INTERVAL_SECONDS[self.interval]
        held = self.held.rows[market]
        held = held[(held["seq"] >= first) & (held["seq"] < until)]
        end = min(until, self._until(market))
        archived: list[pa.RecordBatch] = []
        if self.history is not None and first < end:
            # A bar is as of its end.
            start, stop = ((number + 1) * length * _SECOND for number in (first, end))
            # A ring that is not full holds all that the log does.
            with_log = market in self.held.full or not len(self.held.rows[market])
            found = self.history.series.read(self._series(market), start, stop, with_log=with_log)
            archived = list(found.rows)
        part.put(market, archived, held, self.held.reasons)


def _earliest(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)
