"""Rows a second of a day of one market at one second, through the gateway and beside it.

The day is archived as the agent and a compaction leave it: hours of 20 markets in one partition.
Beside the gateway: pyarrow over the same files, and a plain paging loop of `cassandra-driver` over
a table with a row a second, as CSV by Python's own writer.
"""

from __future__ import annotations

import csv
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.dataset as ds
from cassandra.query import UNSET_VALUE

from agents.archive.cassandra.session import open_session
from agents.archive.manifest import Manifest
from agents.archive.store import Store, open_store
from benchmarks.kafka import running_kafka
from models.archive.derived_tables import derived_rows, derived_table, in_order
from models.archive.manifest import MANIFEST_VERSION, Entry, chunk_name
from models.archive.rendering import data_file, file_path, parquet_bytes, row_group_rows
from models.partition import partition_of
from models.records.reference import Market, encode_reference
from models.settings import Settings
from models.topics import MARKETS
from services.gateway.history.formats import MEDIA_TYPES, Form
from services.gateway.history.series import public_schema
from services.local.topics import create_topics
from tests.integration.cassandra_node import CassandraForTests
from tests.integration.gateway import GatewayProcess, send
from tests.unit.gateway.made import START, market, spreads

_MARKETS = [f"kraken:BTC-{quote}" for quote in ("USD", *(f"Q{n}" for n in range(19)))]
_MARKET = _MARKETS[0]
_PATH = "/v1/spreads/kraken/BTC-USD/history"
_HOUR = 3_600
_ROWS = 24 * _HOUR
_FETCH_SIZE = 5_000


def run() -> None:
    """Print rows a second of every way, and how much memory the gateway took at most."""
    with running_kafka(8) as settings:
        create_topics(settings.kafka_brokers, settings)
        record = market(_MARKET).record
        send(settings, MARKETS.name, [_encoded(record)], [_MARKET.encode()])
        store = open_store(settings)
        _archive_day(store, settings)
        with GatewayProcess(settings) as gateway:
            _stream(gateway, "csv", "?limit=1000")
            before = _peak_mb(gateway.process.pid)
            forms: tuple[Form, ...] = ("csv", "parquet", "arrow")
            for form in forms:
                _tell(f"gateway, {form}", lambda form=form: _stream(gateway, form))  # type: ignore[misc]
            for aggregate in ("last", "mean"):
                query = f"?interval=1m&aggregate={aggregate}"
                name = f"gateway, csv, {aggregate} of 1 min"
                _tell(name, lambda query=query: _stream(gateway, "csv", query))  # type: ignore[misc]
            peak = _peak_mb(gateway.process.pid)
        print(f"the gateway's memory at most: {before:.0f} MB before, {peak:.0f} MB after")
        _tell("pyarrow alone, csv", lambda: _plain_pyarrow(store))
        rows = list(_rows(store))
    with tempfile.TemporaryDirectory() as folder:
        own = Settings(data_dir=Path(folder), jars_dir=settings.jars_dir)
        with CassandraForTests(own) as cassandra:
            _cassandra(cassandra.settings, rows)


def _tell(name: str, call: Callable[[], int]) -> None:
    begin = time.perf_counter()
    size = call()
    took = time.perf_counter() - begin
    print(f"{name:<34} {_ROWS / took:>9,.0f} rows/s {size / took / 1e6:>7.1f} MB/s {took:>6.2f} s")


def _stream(gateway: GatewayProcess, form: Form, query: str = "") -> int:
    size = 0
    accept = {"Accept": MEDIA_TYPES[form]}
    address = f"http://{gateway.address}{_PATH}{query}"
    with httpx.stream("GET", address, headers=accept, timeout=600) as got:
        got.raise_for_status()
        for part in got.iter_raw():
            size += len(part)
    return size


def _plain_pyarrow(store: Store) -> int:
    schema = public_schema("spreads")
    found = ds.dataset("spreads", filesystem=store.filesystem, format="parquet")
    names = [name for name in schema.names if name in found.schema.names and name != "reasons"]
    table = found.to_table(columns=names, filter=pc.field("market") == _MARKET).sort_by("as_of")
    sink = io.BytesIO()
    pacsv.write_csv(table, sink)
    return sink.tell()


def _cassandra(settings: Settings, rows: list[tuple[object, ...]]) -> None:
    """Time a plain loop over a table that has a row a second and a column a figure."""
    schema = public_schema("spreads")
    names = [f.name for f in schema if pa.types.is_floating(f.type)]
    columns = ", ".join(f"{name} double" for name in names)
    with open_session(settings, "") as session:
        session.execute(
            "CREATE KEYSPACE bench WITH replication = "
            "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
        )
        session.execute(
            f"CREATE TABLE bench.spreads (market text, day int, as_of timestamp, {columns}, "
            "PRIMARY KEY ((market, day), as_of))"
        )
        marks = ", ".join("?" * (len(names) + 3))
        insert = session.prepare(
            f"INSERT INTO bench.spreads (market, day, as_of, {', '.join(names)}) VALUES ({marks})"
        )
        for begin in range(0, len(rows), 2_000):
            session.execute_all((insert, row) for row in rows[begin : begin + 2_000])
        select = session.prepare("SELECT * FROM bench.spreads WHERE market = ? AND day = ?")

        def loop() -> int:
            sink = io.StringIO()
            writer = csv.writer(sink)
            for page in session.pages(select, (_MARKET, 0), _FETCH_SIZE):
                writer.writerows(page)
            return sink.tell()

        _tell("cassandra-driver alone, csv", loop)


def _rows(store: Store) -> Iterator[tuple[object, ...]]:
    schema = public_schema("spreads")
    names = [f.name for f in schema if pa.types.is_floating(f.type)]
    found = ds.dataset("spreads", filesystem=store.filesystem, format="parquet")
    there = [name for name in names if name in found.schema.names]
    table = found.to_table(columns=["as_of", *there], filter=pc.field("market") == _MARKET)
    for row in table.to_pylist():
        # Null would be a tombstone, of which Cassandra reads no more than so many.
        figures = (row.get(name) for name in names)
        yield _MARKET, 0, row["as_of"], *(UNSET_VALUE if x is None else x for x in figures)


def _archive_day(store: Store, settings: Settings) -> None:
    partition = partition_of("BTC", settings.partitions)
    rows = [
        derived_rows("spreads", second, spreads(second, _MARKETS, 1.0 + second % 97 / 7).value)
        for second in range(_HOUR)
    ]
    hour = in_order("spreads", derived_table("spreads", rows))
    manifest = Manifest(store)
    for number in range(24):
        first, last = number * _HOUR, number * _HOUR + _HOUR - 1
        later = pa.scalar(first * 1_000_000, pa.duration("us"))
        shifted = {
            "as_of": pc.add(hour["as_of"], later),
            "offset": pc.add(hour["offset"], first),
        }
        table = pa.table([shifted.get(n, hour[n]) for n in hour.column_names], hour.column_names)
        path = file_path("spreads", "spreads", first, chunk_name(partition, first, last))
        content = parquet_bytes(table, row_group_rows("spreads"))
        store.write(path, content)
        begin = (START + first) * 1_000_000_000
        manifest.write_entry(
            Entry(
                version=MANIFEST_VERSION,
                topic="spreads",
                partition=partition,
                first_offset=first,
                last_offset=last,
                begins_after=first,
                start=first,
                records=_HOUR,
                rows=table.num_rows,
                least_time=begin,
                greatest_time=begin + (_HOUR - 1) * 1_000_000_000,
                undecodable=[],
                files=[data_file(path, "spreads", table.num_rows, content)],
            )
        )


def _encoded(record: object) -> bytes:
    assert isinstance(record, Market)
    return encode_reference(record)


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) / 1024
