"""The raw ticks of a market: the archive, and from its last offset on the log."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from agents.archive.store import Store
from models.archive.tick_tables import Kind
from models.markets import coin_of, exchange_of
from models.partition import partition_of
from services.history.entries import EntryIndex
from services.history.log import KafkaLog
from services.history.merging import AT_ONCE, Stream, merged
from services.history.parquet import scanned, ticks_filter
from services.history.recorded import lost_before
from services.history.series import HistoryAnswer, clipped

TICK_ORDER = ("time", "offset", "row")
_LATE = 15 * 60 * 1_000_000_000
"""A tick that comes later than this is not looked for in the log."""


class TickHistory:
    """Quotes and trades as they were published. Any thread may ask; it blocks."""

    def __init__(self, store: Store, log: KafkaLog | None, partitions: int) -> None:
        """Without a log what the archive holds is all."""
        self._store = store
        self._log = log
        self._partitions = partitions
        self._entries = EntryIndex(store)

    def read(
        self, kind: Kind, market: str, start: int, end: int, at_once: int = AT_ONCE
    ) -> HistoryAnswer:
        """Return the ticks with a time in `[start, end)` by time, offset and row.

        Raises:
            StoreError: the archive or the log cannot be read now; also while rows are read.
        """
        partition = partition_of(coin_of(market), self._partitions)
        chunks = self._entries.of(f"{exchange_of(market)}_{kind}", partition, kind)
        wanted = ticks_filter(market, start, end)
        streams = [
            Stream(chunk.least_time or 0, partial(scanned, self._store, chunk, wanted))
            for chunk in chunks.touching(start, end)
        ]
        lost = chunks.lost(start, end)
        begins = chunks.begins()
        until = chunks.until()
        if self._log is not None and (until is None or end + _LATE > until):
            after = chunks.next_offset
            tail = self._log.ticks(kind, market, partition, after, start, end)
            streams += tail.streams("time")
            begins = tail.begins if begins is None else begins
            lost += lost_before(tail, after, until)
        gaps = [span for each in lost if (span := clipped(each, start, end)) is not None]
        return HistoryAnswer(_batches(streams, at_once), gaps, begins, begins)


def _batches(streams: list[Stream], at_once: int) -> Iterator[pa.RecordBatch]:
    for table in merged(streams, "time", TICK_ORDER, at_once):
        yield from table.to_batches()
