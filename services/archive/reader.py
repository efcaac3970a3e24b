"""Reads the archive: the files that the manifest names, and no others.

Memory does not grow with what is read: ticks come as record batches, bursts chunk by chunk.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.manifest import Entry
from models.archive.rendering import source_of
from models.archive.tick_tables import ArchivedBurst, Kind, bursts_of_tables
from models.errors import InvariantError

_BATCH_ROWS = 16_384
_EVER = 1 << 63


class ArchiveReader:
    """The rows of an archive. Times are nanoseconds since the epoch, `[start, end)`.

    Methods raise OSError where the store cannot be read, InvariantError where a file that the
    manifest names is not there as it should be.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.manifest = Manifest(store)

    def ticks(
        self,
        kind: Kind,
        exchanges: Iterable[str],
        start: int,
        end: int,
        market: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the ticks with a time in `[start, end)`, of a market or of all.

        They come chunk by chunk; within one sorted by market, time, offset and row.
        """
        time = pa.scalar(start, pa.int64()).cast(pa.timestamp("ns", "UTC"))
        until = pa.scalar(end, pa.int64()).cast(pa.timestamp("ns", "UTC"))
        wanted = (ds.field("time") >= time) & (ds.field("time") < until)
        if market is not None:
            wanted &= ds.field("market") == market
        for exchange in exchanges:
            for entry in self.entries(f"{exchange}_{kind}", start, end):
                yield from self._batches(entry, kind, wanted)

    def rows(self, topic: str, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a derived topic with an `as_of` in `[start, end)`, chunk by chunk."""
        time = pa.scalar(start // 1_000, pa.int64()).cast(pa.timestamp("us", "UTC"))
        until = pa.scalar(-(-end // 1_000), pa.int64()).cast(pa.timestamp("us", "UTC"))
        wanted = (ds.field("as_of") >= time) & (ds.field("as_of") < until)
        for entry in self.entries(topic, start, end):
            yield from self._batches(entry, topic, wanted)

    def bursts(self, topic: str, partition: int | None = None) -> Iterator[ArchivedBurst]:
        """Yield the bursts of a tick topic as they were in Kafka, by partition and offset.

        Undecodable records are not among them; entries say which those were.
        """
        for section in self.manifest.sections(topic, partition):
            for entry in self.manifest.entries_of(topic, section):
                yield from self.bursts_of(entry)

    def bursts_of(self, entry: Entry) -> Iterator[ArchivedBurst]:
        """Yield the bursts of one chunk in the order of their offsets."""
        exchange, kind = source_of(entry.topic)
        bursts = self.table(entry, "bursts")
        if bursts is not None:
            yield from bursts_of_tables(
                kind,
                exchange,
                entry.partition,
                bursts,
                self.table(entry, kind),
                self.table(entry, "unseen"),
            )

    def entries(
        self, topic: str, start: int | None = None, end: int | None = None
    ) -> Iterator[Entry]:
        """Yield the entries of a topic that may hold something of `[start, end)`."""
        begin = -_EVER if start is None else start
        until = _EVER if end is None else end
        is_whole = start is None and end is None
        for section in self.manifest.sections(topic):
            if section.may_touch(begin, until):
                for entry in self.manifest.entries_of(topic, section):
                    if is_whole or entry.touches(begin, until):
                        yield entry

    def table(
        self, entry: Entry, kind: str, columns: Sequence[str] | None = None
    ) -> pa.Table | None:
        """Return a file of a chunk as a table, None where the chunk has no such rows.

        Of all columns, or of these.
        """
        file = entry.file(kind)
        if file is None:
            return None
        table = pq.read_table(io.BytesIO(self._store.read(file.path)), columns=columns)
        if table.num_rows != file.rows:
            raise InvariantError(f"expected {file.rows} rows in {file.path}, was {table.num_rows}")
        return table

    def _batches(self, entry: Entry, kind: str, wanted: ds.Expression) -> Iterator[pa.RecordBatch]:
        file = entry.file(kind)
        if file is None:
            return
        yield from scanned_file(self._store, file.path, wanted)


def scanned_file(
    store: Store, path: str, wanted: ds.Expression, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that are wanted, batch by batch.

    Raises:
        OSError: the store cannot be read.
    """
    found = ds.dataset([path], filesystem=store.filesystem, format="parquet")
    # One row group and few batches ahead: else whole files are read before the first is used.
    scanner = found.scanner(
        columns=columns,
        filter=wanted,
        batch_size=_BATCH_ROWS,
        batch_readahead=1,
        fragment_readahead=1,
        use_threads=False,
    )
    for batch in scanner.to_batches():
        if batch.num_rows:
            yield batch
