"""Backfilled bars as a place of history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from agents.archive.store import Store
from models.archive.backfill import DAY_SECONDS, SOURCES, BackfilledDay, BackfillSource
from models.errors import StoreError
from models.records.bars import INTERVAL_SECONDS, BarInterval
from services.backfill.store import BackfillStore
from services.history.bar_merging import merged_bars
from services.history.source import Series, Span

_SECOND = 1_000_000_000
_MICROSECOND = 1_000
_DAY = DAY_SECONDS * _SECOND


class BackfillReader:
    """The backfilled bars of an archive; of other topics there are none.

    Of a bar from captures and from candles that of the captures counts, as `merged_bars` says.
    """

    def __init__(self, store: Store) -> None:
        self._store = BackfillStore(store)

    def span(self, series: Series) -> Span | None:
        """Return from the first to the last bar of a market.

        What was not backfilled between them is missing.

        Raises:
            StoreError: the archive cannot be read.
        """
        if series.topic != "bars":
            return None
        try:
            ends = [
                entry
                for source in SOURCES
                for days in [self._store.days(source, series.key)]
                for day in sorted({*days[:1], *days[-1:]})
                for entry in [self._store.entry(BackfilledDay(source, series.key, day))]
                if entry is not None
            ]
        except OSError as error:
            raise _unreadable(error) from error
        if not ends:
            return None
        return Span(
            min(entry.least_time for entry in ends), max(entry.greatest_time for entry in ends) + 1
        )

    def joined_from(self, series: Series, until: int | None) -> int | None:
        """Return where the backfilled days begin that follow each other up to a time (ns).

        None where the bar before the one as of `until` is none of theirs. Days are told apart, not
        minutes: of a day that was backfilled in part the bars say themselves what is missing.

        Raises:
            StoreError: the archive cannot be read.
        """
        try:
            found = {day for source in SOURCES for day in self._store.days(source, series.key)}
            if not found or series.interval is None:
                return None
            length = INTERVAL_SECONDS[cast(BarInterval, series.interval)] * _SECOND
            # The bar before begins two lengths earlier.
            newest = max(found) if until is None else (until - 2 * length) // _DAY
            if newest not in found or self._ends(series.key, newest)[1] < (until or 0) - length:
                return None
            oldest = newest
            while oldest - 1 in found:
                oldest -= 1
            return self._ends(series.key, oldest)[0]
        except OSError as error:
            raise _unreadable(error) from error

    def _ends(self, market: str, day: int) -> tuple[int, int]:
        """Return the first and last `as_of` of a day that is there."""
        entries = [self._store.entry(BackfilledDay(source, market, day)) for source in SOURCES]
        there = [entry for entry in entries if entry is not None]
        return min(e.least_time for e in there), max(e.greatest_time for e in there)

    def rows(self, series: Series, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield the bars with an `as_of` in `[start, end)` (ns), once each, by `as_of`.

        Raises:
            StoreError: the archive cannot be read.
        """
        if series.topic != "bars":
            return
        try:
            yield from merged_bars(
                [partial(self._rows, source, series, start, end) for source in SOURCES]
            )
        except OSError as error:
            raise _unreadable(error) from error

    def _rows(
        self, source: BackfillSource, series: Series, start: int, end: int
    ) -> Iterator[pa.RecordBatch]:
        # A day's last bars end with it, at the next one's midnight.
        first = (start // _SECOND - 1) // DAY_SECONDS
        last = -(-end // _SECOND) // DAY_SECONDS
        begin, until = -(-start // _MICROSECOND), -(-end // _MICROSECOND)
        for day in self._store.days(source, series.key):
            if not first <= day <= last:
                continue
            table = self._store.table(BackfilledDay(source, series.key, day))
            if table is None:
                continue
            as_of = table["as_of"].cast(pa.int64())
            wanted = pc.and_(pc.greater_equal(as_of, begin), pc.less(as_of, until))
            wanted = pc.and_(wanted, pc.equal(table["interval"], series.interval))
            yield from table.filter(wanted).combine_chunks().to_batches()


def _unreadable(error: OSError) -> StoreError:
    return StoreError(f"expected an archive that can be read, but {error}")
