"""The archive and the log behind it, joined where the archive ends: at an offset, so exactly."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pyarrow as pa

from services.history.log import KafkaLog, LogTail
from services.history.merging import Stream
from services.history.parquet import ParquetHistory, joined
from services.history.source import Series, Span


class Recorded(msgspec.Struct, frozen=True):
    """The rows of a range, and what is not among them.

    `begins` is the first `as_of` of what is there (ns), None where nothing is.
    """

    series: Series
    streams: list[Stream]
    lost: list[Span]
    begins: int | None

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows once each, by `as_of`."""
        return joined(self.series, self.streams)


class RecordedHistory:
    """Parquet up to its last offset, Kafka from there on. Any thread may ask; it blocks."""

    def __init__(self, archive: ParquetHistory, log: KafkaLog | None) -> None:
        """Without a log what the archive holds is all."""
        self._archive = archive
        self._log = log

    def begins(self, series: Series) -> int | None:
        """Return the first `as_of` of the archive (ns), None where it holds nothing.

        Raises:
            StoreError: the archive cannot be read.
        """
        return self._archive.chunks(series).begins()

    def lost(self, series: Series, start: int, end: int) -> list[Span]:
        """Return the times that reach into `[start, end)` of which the archive has lost rows.

        It raises as `begins` does.
        """
        return self._archive.lost(series, start, end)

    def archived(self, series: Series) -> Span | None:
        """Return what the archive holds; it raises as `begins` does."""
        return self._archive.span(series)

    def read(self, series: Series, start: int, end: int, *, with_log: bool = True) -> Recorded:
        """Return the rows with an `as_of` in `[start, end)`.

        Raises:
            StoreError: the archive or Kafka cannot be read.
        """
        archive = self._archive
        chunks = archive.chunks(series)
        streams = archive.streams(series, start, end)
        begins = chunks.begins()
        lost = archive.lost(series, start, end)
        until = archive.archived_until(series)
        is_behind = start < end and (until is None or end > until + 1)
        if with_log and self._log is not None and is_behind:
            after = chunks.next_offset
            tail = self._log.tail(series, archive.partition(series), after, start, end)
            streams += tail.streams("as_of")
            begins = tail.begins if begins is None else begins
            lost += lost_before(tail, after, until)
        return Recorded(series, streams, lost, begins)


def lost_before(tail: LogTail, after: int, until: int | None) -> list[Span]:
    """Return the time between archive and log, where Kafka has deleted what lay between."""
    is_whole = tail.first_held <= after or tail.first_read != tail.first_held
    if is_whole or until is None or tail.begins is None:
        return []
    return [Span(until + 1, tail.begins)] if until + 1 < tail.begins else []
