"""History in the Parquet archive: one series of rows, in time order and constant memory.

The files of a chunk are sorted by series and time, so of a file only the row groups are read that
hold the series; their statistics say which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

import pyarrow as pa
import pyarrow.dataset as ds

from agents.archive.store import Store
from models.errors import StoreError
from models.markets import coin_of, exchange_of
from models.partition import partition_of
from models.topics import RETURNS
from services.archive.reader import scanned_file
from services.history.entries import ArchivedChunk, EntryIndex, PartitionChunks
from services.history.merging import Stream, last_of_each, merged, times_of
from services.history.source import Series, Span

MICROSECOND = 1_000
_LOOKED_BACK = 24
"""Chunks that are looked through, newest first, for the last row of a source."""


class ParquetHistory:
    """The rows of the archive's derived topics, as a `HistorySource`. Any thread may ask."""

    def __init__(self, store: Store, partitions: int) -> None:
        """`partitions` is that of the topics."""
        self._store = store
        self._partitions = partitions
        self._reached: dict[tuple[str, str, str], int | None] = {}
        self.entries = EntryIndex(store)

    def span(self, series: Series) -> Span | None:
        """Return from the first archived row on to the last one of the series' source.

        What `lost` says is missing within.
        """
        start = self.chunks(series).begins()
        end = self.archived_until(series)
        return None if start is None or end is None else Span(start, end + 1)

    def rows(self, series: Series, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with an `as_of` in `[start, end)`, once each, by `as_of`."""
        return joined(series, self.streams(series, start, end))

    def streams(self, series: Series, start: int, end: int) -> list[Stream]:
        """Return the rows by chunk; those of one `as_of` may be there more than once."""
        wanted = _series_filter(series) & _within("as_of", "us", start, end)
        return [
            Stream((chunk.least_time or 0) // MICROSECOND, partial(self._batches, chunk, wanted))
            for chunk in self.chunks(series).touching(start, end)
        ]

    def chunks(self, series: Series) -> PartitionChunks:
        """Return the chunks of a series' topic partition."""
        return self.entries.of(series.topic, self.partition(series), series.topic)

    def partition(self, series: Series) -> int:
        """Return the topic partition of a series."""
        key = series.key if series.topic == RETURNS.name else coin_of(series.key)
        return partition_of(key, self._partitions)

    def archived_until(self, series: Series) -> int | None:
        """Return the newest archived `as_of` of a series' source (ns), None where none is near.

        A source publishes in time order, so nothing of it before that is missing.
        """
        name, source = _source_of(series)
        for chunk in islice(self.chunks(series).newest_first(), _LOOKED_BACK):
            at = series.topic, f"{chunk.name}", source
            if at not in self._reached:
                self._reached[at] = self._newest(chunk, ds.field(name) == source)
            if self._reached[at] is not None:
                return self._reached[at]
        return None

    def lost(self, series: Series, start: int, end: int) -> list[Span]:
        """Return the times that reach into `[start, end)` whose records were never archived.

        They were deleted from Kafka before.
        """
        return self.chunks(series).lost(start, end)

    def _newest(self, chunk: ArchivedChunk, wanted: ds.Expression) -> int | None:
        newest = [
            int(times_of(batch, "as_of").max())
            for batch in scanned(self._store, chunk, wanted, ["as_of"])
        ]
        return max(newest) * MICROSECOND if newest else None

    def _batches(self, chunk: ArchivedChunk, wanted: ds.Expression) -> Iterator[pa.RecordBatch]:
        return scanned(self._store, chunk, wanted)


def joined(
    series: Series, streams: Sequence[Stream], at_once: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of streams by `as_of`; of several of one `as_of` that of the last offset."""
    keys = ["as_of", "coin"] if series.topic == RETURNS.name else ["as_of"]
    rest = {} if at_once is None else {"at_once": at_once}
    for table in merged(streams, "as_of", [*keys, "offset"], **rest):
        yield from last_of_each(table, keys).combine_chunks().to_batches()


def scanned(
    store: Store,
    chunk: ArchivedChunk,
    wanted: ds.Expression,
    columns: list[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a chunk's file that are wanted, batch by batch.

    Raises:
        StoreError: the store cannot be read.
    """
    if chunk.path is None:
        return
    try:
        yield from scanned_file(store, chunk.path, wanted, columns)
    except OSError as error:
        raise StoreError(f"expected to read {chunk.path}, but {error}") from error


def ticks_filter(market: str, start: int, end: int) -> ds.Expression:
    """Return what chooses a market's ticks with a time in `[start, end)`; nanoseconds."""
    return (ds.field("market") == market) & _within("time", "ns", start, end)


def _series_filter(series: Series) -> ds.Expression:
    if series.topic == RETURNS.name:
        wanted = ds.field("table") == series.key
        return wanted & ds.field("coin").isin(series.coins) if series.coins else wanted
    wanted = ds.field("market") == series.key
    return wanted if series.interval is None else wanted & (ds.field("interval") == series.interval)


def _source_of(series: Series) -> tuple[str, str]:
    """Return the column that names a row's source, and that of the series."""
    if series.topic == RETURNS.name:
        return "table", series.key
    return "exchange", exchange_of(series.key)


def _within(name: str, unit: str, start: int, end: int) -> ds.Expression:
    kept = pa.timestamp(unit, "UTC")
    divisor = MICROSECOND if unit == "us" else 1
    least, until = (
        pa.scalar(min(max(-(-time // divisor), -(2**63)), 2**63 - 1), pa.int64()).cast(kept)
        for time in (start, end)
    )
    return (ds.field(name) >= least) & (ds.field(name) < until)
