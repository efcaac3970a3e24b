"""Backfilled bars as a place of history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from agents.archive.store import Store
from models.archive.backfill import DAY_SECONDS, SOURCES, BackfilledDay, BackfillSource
from models.errors import StoreError
from services.backfill.store import BackfillStore
from services.history.bar_merging import merged_bars
from services.history.source import Series, Span

_SECOND = 1_000_000_000
_MICROSECOND = 1_000


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
