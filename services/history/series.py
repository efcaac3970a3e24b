"""One series out of all places: the fastest that has it, everywhere else the archive and the log.

Every `as_of` once, in order, wherever a row comes from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

import msgspec
import pyarrow as pa

from models.errors import StoreError
from services.history.bar_merging import merged_bars
from services.history.recorded import Recorded, RecordedHistory
from services.history.source import HistorySource, Series, Span, StandIns


class Segment(msgspec.Struct, frozen=True):
    """A part of a range and the place that it is read from; None is the archive and the log."""

    span: Span
    place: HistorySource | None


class HistoryAnswer(msgspec.Struct, frozen=True):
    """Rows to be read once, and what is not among them.

    `gaps` are the times within the range of which something is missing, `complete_from` is where
    the oldest of what is kept begins (ns), None where nothing is kept. `first` is no later than
    the first row there is: of bars there may be backfilled ones further back than what joins.
    """

    rows: Iterator[pa.RecordBatch]
    gaps: list[Span]
    complete_from: int | None
    first: int | None


class History:
    """The places of history by preference, the archive and the log behind all. It blocks."""

    def __init__(
        self,
        recorded: RecordedHistory,
        places: Sequence[HistorySource] = (),
        backfill: StandIns | None = None,
    ) -> None:
        """`places` are asked first, in this order; one that is away is passed over.

        `backfill` has bars that stand in where all others say less.
        """
        self._recorded = recorded
        self._places = tuple(places)
        self._backfill = backfill

    def read(
        self,
        series: Series,
        start: int,
        end: int,
        first: HistorySource | None = None,
        *,
        with_log: bool = True,
    ) -> HistoryAnswer:
        """Return the rows of a series with an `as_of` in `[start, end)`, nanoseconds.

        `first` is a place that goes before all others: what a process has in memory. The log need
        not be read where the caller knows what it holds.

        Raises:
            StoreError: the archive or the log cannot be read now; also while rows are read.
        """
        places = [*([] if first is None else [first]), *self._places]
        spans = [(place, _span_of(place, series)) for place in places]
        parts = segments(start, end, [(place, span) for place, span in spans if span is not None])
        behind = [
            self._recorded.read(series, part.span.start, part.span.end, with_log=with_log)
            for part in parts
            if part.place is None
        ]
        lost = [clipped(span, start, end) for part in behind for span in part.lost]
        gaps = [span for span in lost if span is not None]
        rows = _rows(series, parts, behind)
        first_row = complete_from = self._complete_from(series, spans, behind)
        backfilled = self._backfilled(series)
        if self._backfill is not None and backfilled is not None:
            first_row = min(complete_from or backfilled.start, backfilled.start)
            joined_from = self._backfill.joined_from(series, complete_from)
            complete_from = complete_from if joined_from is None else joined_from
            if clipped(backfilled, start, end) is not None:
                stand_in = partial(self._backfill.rows, series, start, end)
                rows = merged_bars([partial(iter, rows), stand_in])
        return HistoryAnswer(rows, gaps, complete_from, first_row)

    def lost(self, series: Series, start: int, end: int) -> list[Span]:
        """Return the times that reach into `[start, end)` of which rows are lost for ever.

        Raises:
            StoreError: the archive cannot be read.
        """
        return self._recorded.lost(series, start, end)

    def archived(self, series: Series) -> Span | None:
        """Return what the archive holds of a series, None where that is nothing.

        Raises:
            StoreError: the archive cannot be read.
        """
        spans = [self._recorded.archived(series), self._backfilled(series)]
        found = [span for span in spans if span is not None]
        if not found:
            return None
        return Span(min(span.start for span in found), max(span.end for span in found))

    def stand_ins(self, series: Series, start: int) -> Iterator[pa.RecordBatch]:
        """Yield the backfilled bars with an `as_of` from `start` (ns) on, whatever others have.

        Raises:
            StoreError: the archive cannot be read.
        """
        backfilled = self._backfilled(series)
        if self._backfill is not None and backfilled is not None and start < backfilled.end:
            yield from self._backfill.rows(series, start, backfilled.end)

    def _backfilled(self, series: Series) -> Span | None:
        if self._backfill is None or series.topic != "bars":
            return None
        return self._backfill.span(series)

    def _complete_from(
        self,
        series: Series,
        spans: Sequence[tuple[HistorySource, Span | None]],
        behind: Sequence[Recorded],
    ) -> int | None:
        found = [part.begins for part in behind if part.begins is not None]
        found += [span.start for _, span in spans if span is not None]
        if not behind:
            # The answer itself does not need the archive, so it may be away.
            with contextlib.suppress(StoreError):
                begins = self._recorded.begins(series)
                found += [] if begins is None else [begins]
        return min(found, default=None)


def segments(start: int, end: int, spans: Sequence[tuple[HistorySource, Span]]) -> list[Segment]:
    """Return `[start, end)` in parts, each with the first place whose span covers it.

    Neighbours of one place are one part.
    """
    cuts = sorted(
        {start, end, *(t for _, span in spans for t in (span.start, span.end) if start < t < end)}
    )
    parts: list[Segment] = []
    for begin, until in pairwise(cuts):
        place = next((p for p, span in spans if span.start <= begin and until <= span.end), None)
        if parts and parts[-1].place is place:
            begin = parts.pop().span.start
        parts.append(Segment(Span(begin, until), place))
    return parts


def clipped(span: Span, start: int, end: int) -> Span | None:
    """Return the part of a span within `[start, end)`, None where there is none."""
    begin, until = max(span.start, start), min(span.end, end)
    return Span(begin, until) if begin < until else None


def _span_of(place: HistorySource, series: Series) -> Span | None:
    try:
        return place.span(series)
    except StoreError:
        return None


def _rows(
    series: Series, parts: Sequence[Segment], behind: Sequence[Recorded]
) -> Iterator[pa.RecordBatch]:
    recorded = iter(behind)
    for part in parts:
        if part.place is None:
            yield from next(recorded).rows()
        else:
            yield from part.place.rows(series, part.span.start, part.span.end)
