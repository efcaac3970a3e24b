"""Bars and indicators further back than memory reaches, in the very form that memory has them.

A range is read in windows of numbers (start ÷ interval), so memory does not grow with it; what is
in memory stands for itself, the archive for what lies before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa

from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.statistics.indicators import ROW_BARS
from services.backfill.merging import weight
from services.gateway.bars.composite import CompositeSeries
from services.gateway.bars.series import MarketSeries
from services.gateway.bars.series import Series as FigureSeries
from services.gateway.delay import LineDelay
from services.gateway.gateway import Gateway
from services.gateway.history.places import GatewayHistory
from services.gateway.history.rows import HistoryRows, Place, plain_objects
from services.gateway.indicators.composite import CompositeIndicators
from services.gateway.items import Figures
from services.gateway.memory.interval_rows import (
    BARS,
    INDICATORS,
    MISSING,
    SOURCES,
    HeldRows,
    Reasons,
)
from services.gateway.memory.ring import Rows
from services.history.merging import times_of
from services.history.series import clipped
from services.history.source import Series, Span

Topic = Literal["bars", "indicators"]

WINDOW = 1_440
"""Bars that are read together."""

_SECOND = 1_000_000_000
_SHAPES = {"bars": BARS, "indicators": INDICATORS}
_TIME = pa.timestamp("us", "UTC")
_NAMES = pa.list_(pa.string())


class IntervalPart:
    """Rows of some markets within a window, gathered from the archive and from memory."""

    def __init__(self, topic: Topic, interval: BarInterval) -> None:
        self._shape = _SHAPES[topic]
        self._interval: BarInterval = interval
        self._reasons = Reasons()
        self._rows: dict[str, Rows] = {}

    def held(self) -> HeldRows:
        """Return what was gathered. History is never late."""
        delay = LineDelay(False, lambda: 0)
        return HeldRows(self._shape, self._interval, self._rows, self._reasons, delay, {})

    def put(
        self, market: str, archived: Iterable[pa.RecordBatch], held: Rows, reasons: Reasons
    ) -> None:
        """Take a market's archived rows, and those in memory; these with their reasons.

        Of bars with one number that counts which has more to say, of equal ones that of memory.
        """
        found = [self._from_archive(batch) for batch in archived]
        copied = held.copy()
        codes, places = np.unique(held["values"]["reasons"], return_inverse=True)
        own = [self._reasons.code_of(reasons[code]) for code in codes.tolist()]
        copied["values"]["reasons"] = np.array(own, "<u2")[places]
        self._rows[market] = _chosen(np.concatenate([*found, copied]))

    def _from_archive(self, batch: pa.RecordBatch) -> Rows:
        rows = np.zeros(batch.num_rows, self._shape.row())
        length_s = INTERVAL_SECONDS[self._interval]
        rows["seq"] = times_of(batch, "as_of") // 1_000_000 // length_s - 1
        values = rows["values"]
        for name in self._shape.floats:
            values[name] = batch.column(name).to_numpy(zero_copy_only=False)
        for name in (*self._shape.counts, *self._shape.times):
            column = batch.column(name).cast(pa.int64()).fill_null(MISSING)
            values[name] = column.to_numpy()
        values["source"] = [SOURCES.index(x) for x in batch.column("source").to_pylist()]
        values["reasons"] = [
            self._reasons.code_of(dict(each or ())) for each in batch.column("reasons").to_pylist()
        ]
        return rows


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
        part = IntervalPart("bars", self.interval)
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
        """Return the rows behind a place, which is a number."""
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
            until = min(number + WINDOW, last)
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
        part = IntervalPart("bars" if self.is_of_bars else "indicators", self.interval)
        for market in self.markets:
            self._read(part, market, max(first - looks_back, 0), until)
        series = self._series_over(part.held())
        yield from series.figures([n for n in series.numbers() if first <= n < until])

    def _series_over(self, held: HeldRows) -> FigureSeries:
        if not self.is_composite:
            return MarketSeries(held, self.markets[0])
        of_several = CompositeSeries if self.topic == "bars" else CompositeIndicators
        return of_several(held, self.markets)

    def _read(self, part: IntervalPart, market: str, first: int, until: int) -> None:
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


def _chosen(rows: Rows) -> Rows:
    """Return rows in order, one a number; of equal ones the last."""
    values = rows["values"]
    if not (np.diff(rows["seq"]) <= 0).any():
        return rows
    weights = weight(~np.isnan(values["open"]), ~np.isnan(values["volume"]), values["coverage"])
    rows = rows[np.lexsort((weights, rows["seq"]))]
    chosen: Rows = rows[np.append(np.diff(rows["seq"]) > 0, True)]
    return chosen


def series_schema(topic: Topic, is_composite: bool) -> pa.Schema:
    """Return the columns of bars or indicators, of a market or of several."""
    shape = _SHAPES[topic]
    of_market = [] if is_composite else [("market", pa.string()), ("exchange", pa.string())]
    of_several = [("markets", _NAMES), ("missing", _NAMES)] if is_composite else []
    return pa.schema(
        [
            *of_market,
            ("coin", pa.string()),
            ("quote_currency", pa.string()),
            ("interval", pa.string()),
            ("start", _TIME),
            ("as_of", _TIME),
            *((name, pa.float64()) for name in shape.floats),
            *((name, pa.int64()) for name in shape.counts),
            *((name, _TIME) for name in shape.times),
            ("source", pa.string()),
            *of_several,
            ("stale", pa.bool_()),
            ("reasons", pa.map_(pa.string(), pa.string())),
        ]
    )


def batch_of(figures: Sequence[Figures], schema: pa.Schema) -> pa.RecordBatch:
    """Return objects of the public interface as rows."""
    columns = []
    for field in schema:
        values = [each[field.name] for each in figures]
        if pa.types.is_map(field.type):
            columns.append(pa.array([list(each.items()) for each in values], field.type))
        elif pa.types.is_timestamp(field.type):
            columns.append(pa.array(values, pa.string()).cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.record_batch(columns, schema=schema)
