"""A chunk as the files and the entry that the archive keeps of it: bytes, and nothing written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from models.archive.chunks import ArchivedRecord, Chunk
from models.archive.derived_tables import (
    DERIVED_TOPICS,
    DerivedRows,
    derived_rows,
    derived_table,
    in_order,
    unfit,
)
from models.archive.manifest import (
    MANIFEST_VERSION,
    DataFile,
    Entry,
    Undecodable,
    chunk_name,
)
from models.archive.tick_tables import (
    KINDS,
    ArchivedBurst,
    Kind,
    burst_table,
    enclosing_times,
    is_market,
    is_unseen_market,
    tick_table,
    unseen_table,
)
from models.errors import InvariantError, RecordError
from models.records.bursts import decode_quotes, decode_trades
from models.topics import exchange_topics

ROW_GROUP_ROWS = 65_536
DERIVED_ROW_GROUP_ROWS = 16_384
"""Of derived rows a reader wants one series: few of them share a row group of an hour."""

_INT64 = range(-(2**63), 2**63)


class Refused(msgspec.Struct, frozen=True):
    """A record that cannot be read, and why."""

    record: ArchivedRecord
    error: RecordError


class Rendered(msgspec.Struct, frozen=True):
    """What is to be written of a chunk: the files by path, then the entry."""

    entry: Entry
    contents: dict[str, bytes]
    refused: list[Refused]


def archived_topics(exchanges: Iterable[str]) -> list[str]:
    """Return the topics that are archived: those of ticks, and the derived ones."""
    ticks = [topic.name for exchange in exchanges for topic in exchange_topics(exchange)]
    return [*ticks, *DERIVED_TOPICS]


def source_of(topic: str) -> tuple[str, Kind]:
    """Return exchange and kind of a tick topic.

    Raises:
        InvariantError: it is none.

    >>> source_of("kraken_quotes")
    ('kraken', 'quotes')
    """
    exchange, _, suffix = topic.rpartition("_")
    for kind in KINDS:
        if suffix == kind and exchange:
            return exchange, kind
    raise InvariantError(f"expected a tick topic, was {topic!r}")


def file_path(topic: str, kind: str, start: int, name: str) -> str:
    """Return the path of a data file below the root.

    >>> file_path("kraken_quotes", "unseen", 1_700_000_100, "p000-0-1")
    'unseen/kind=quotes/exchange=kraken/date=2023-11-14/hour=22/p000-0-1.parquet'
    """
    when = datetime.fromtimestamp(start, UTC).strftime("date=%Y-%m-%d/hour=%H")
    if topic in DERIVED_TOPICS:
        return f"{kind}/{when}/{name}.parquet"
    exchange, ticks = source_of(topic)
    folder = kind if kind == ticks else f"{kind}/kind={ticks}"
    return f"{folder}/exchange={exchange}/{when}/{name}.parquet"


def parquet_bytes(table: pa.Table, row_group_rows: int = ROW_GROUP_ROWS) -> bytes:
    """Return a table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        row_group_size=row_group_rows,
        write_statistics=True,
        version="2.6",
    )
    return bytes(sink.getvalue())


def row_group_rows(kind: str) -> int:
    """Return how many rows a row group of a kind of file has at most."""
    return DERIVED_ROW_GROUP_ROWS if kind in DERIVED_TOPICS else ROW_GROUP_ROWS


def render(chunk: Chunk) -> Rendered:
    """Return what is to be written of a chunk: the same bytes for the same records."""
    if chunk.topic in DERIVED_TOPICS:
        return _render_derived(chunk)
    return _render_ticks(chunk)


def data_file(path: str, kind: str, rows: int, content: bytes) -> DataFile:
    """Return what an entry says of a file."""
    return DataFile(path, kind, rows, len(content), hashlib.sha256(content).hexdigest())


def _render_ticks(chunk: Chunk) -> Rendered:
    exchange, kind = source_of(chunk.topic)
    bursts: list[ArchivedBurst] = []
    refused: list[Refused] = []
    for record in chunk.records:
        try:
            bursts.append(_burst(exchange, kind, chunk.partition, record))
        except RecordError as error:
            refused.append(Refused(record, error))
    tables = {
        kind: tick_table(kind, bursts),
        "unseen": unseen_table(bursts),
        "bursts": burst_table(bursts),
    }
    return _rendered(chunk, tables, refused, tables[kind].num_rows, enclosing_times(bursts))


def _burst(exchange: str, kind: Kind, partition: int, record: ArchivedRecord) -> ArchivedBurst:
    decode = decode_quotes if kind == "quotes" else decode_trades
    burst = decode(record.value)
    if (burst.exchange, burst.partition) != (exchange, partition):
        raise RecordError(
            "undecodable_record",
            f"expected a burst of {exchange} in partition {partition}, "
            f"was of {burst.exchange} in {burst.partition}",
        )
    numbers = [burst.clock, burst.epoch]
    for unseen in burst.unseen:
        numbers += (unseen.start, unseen.end)
        if not is_unseen_market(unseen.market, exchange):
            raise RecordError("undecodable_record", f"expected a market, was {unseen.market!r}")
    for name in burst.markets:
        if not is_market(name, exchange):
            raise RecordError("undecodable_record", f"expected a market, was {name!r}")
    if len(set(burst.markets)) != len(burst.markets):
        raise RecordError("undecodable_record", "expected every market once")
    if any(number not in _INT64 for number in numbers):
        raise RecordError("undecodable_record", "expected numbers of 64 bits")
    return ArchivedBurst(record.offset, record.timestamp, burst)


def _render_derived(chunk: Chunk) -> Rendered:
    records: list[DerivedRows] = []
    refused: list[Refused] = []
    for record in chunk.records:
        try:
            records.append(derived_rows(chunk.topic, record.offset, record.value))
        except RecordError as error:
            refused.append(Refused(record, error))
    errors = unfit(chunk.topic, records)
    refused += [
        Refused(record, errors[record.offset])
        for record in chunk.records
        if record.offset in errors
    ]
    records = [each for each in records if each.offset not in errors]
    table = in_order(chunk.topic, derived_table(chunk.topic, records))
    times = [record.as_of for record in records]
    enclosing = (min(times), max(times)) if times else None
    return _rendered(chunk, {chunk.topic: table}, refused, table.num_rows, enclosing)


def _rendered(
    chunk: Chunk,
    tables: Mapping[str, pa.Table],
    refused: list[Refused],
    rows: int,
    times: tuple[int, int] | None,
) -> Rendered:
    first, last = chunk.records[0].offset, chunk.last_offset
    name = chunk_name(chunk.partition, first, last)
    contents: dict[str, bytes] = {}
    files: list[DataFile] = []
    for kind, table in tables.items():
        if table.num_rows:
            path = file_path(chunk.topic, kind, chunk.start, name)
            contents[path] = parquet_bytes(table, row_group_rows(kind))
            files.append(data_file(path, kind, table.num_rows, contents[path]))
    entry = Entry(
        version=MANIFEST_VERSION,
        topic=chunk.topic,
        partition=chunk.partition,
        first_offset=first,
        last_offset=last,
        begins_after=chunk.begins_after,
        start=chunk.start,
        records=len(chunk.records),
        rows=rows,
        least_time=None if times is None else times[0],
        greatest_time=None if times is None else times[1],
        undecodable=[Undecodable(each.record.offset, each.error.reason) for each in refused],
        files=files,
    )
    return Rendered(entry, contents, refused)
