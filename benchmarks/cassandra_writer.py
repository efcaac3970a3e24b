"""CPU of writing spreads to a real Cassandra, by row; what is read back is compared."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from agents.archive.cassandra.schema import apply_schema, migrations
from agents.archive.cassandra.session import open_session
from agents.archive.cassandra.store import SeriesStore, units_at_once
from models.archive.series_cutters import series_cutter
from models.archive.series_cutting import ResumePoint
from models.archive.series_rows import decoded
from models.partition import partition_of
from models.records.spreads import (
    SPREADS_VERSION,
    Spreads,
    SpreadWindow,
    decode_spreads,
    encode_spreads,
)
from models.settings import Settings
from models.times import iso_seconds
from models.topics import SPREADS
from services.history.cassandra import CassandraHistory
from services.history.source import Series
from tests.integration.cassandra_node import CassandraForTests

EXCHANGE, PARTITIONS = "kraken", 8
# Markets of a source and partition: of 4,000 on 3 exchanges and 8 partitions, and of 300.
SIZES = (167, 12)
MINUTES = 4
_BEGIN = 1_772_366_400
_INTEGERS = ("n", "trades_n", "z_n", "half_life_n", "realised_5s_n", "realised_60s_n")
_HEAD = ("version", "exchange", "partition", "as_of", "markets", "windows")
_NULL_SHARE = 0.1


def run() -> None:
    """Print what a row costs: CPU of the writer alone, and how many are written in a second."""
    print(
        f"Cassandra writer: {MINUTES} minutes of spreads of one source, every figure of its own, "
        f"{_NULL_SHARE:.0%} null; one writer, read back and compared"
    )
    print(
        f"{'markets':>8} {'rows':>9} {'CPU µs/row':>11} {'rows/core s':>12} {'rows/s':>9} "
        f"{'bytes/row':>10} {'read rows/s':>12}"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        CassandraForTests(Settings(data_dir=Path(folder), partitions=PARTITIONS)) as node,
    ):
        for size in SIZES:
            settings = node.settings.model_copy(
                update={"namespace": f"bench{size}", "cassandra_ttl_days": 0}
            )
            with open_session(settings, keyspace="") as session:
                apply_schema(session, settings, migrations())
            _measure(settings, size)


def _measure(settings: Settings, size: int) -> None:
    markets = list(_markets(size))
    partition = partition_of("BTC", PARTITIONS)
    values = [_record(markets, partition, second) for second in range(60 * MINUTES + 1)]
    cutter = series_cutter(ResumePoint(SPREADS.name, partition, 0, {}, 60.0))
    store = SeriesStore(settings)
    store.progress([(SPREADS.name, partition)])
    rows = packed = 0
    cpu, begin = time.process_time(), time.perf_counter()
    for offset, value in enumerate(values):
        cutter.take(offset, value, 0)
        while cutter.finished:
            chosen = units_at_once(cutter.finished, 8 << 20, 1)
            written = store.write(SPREADS.name, [decoded(SPREADS.name, unit) for unit in chosen])
            up_to, reaches = cutter.written_up_to_with(1), cutter.reaches_with(1)
            store.tell(SPREADS.name, partition, up_to, reaches)
            cutter.done(1)
            packed += written.size
            rows += written.rows * len(chosen[0].records)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - begin
    read, read_s = _read(settings, markets, values)
    if read != rows or rows != size * 60 * MINUTES:
        raise RuntimeError(f"expected {size * 60 * MINUTES} rows, was {rows} and {read}")
    print(
        f"{size:>8} {rows:>9,} {cpu / rows * 1e6:>11.1f} {rows / cpu:>12,.0f} {rows / wall:>9,.0f} "
        f"{packed / rows:>10.0f} {read / read_s:>12,.0f}"
    )
    store.close()


def _read(settings: Settings, markets: list[str], values: list[bytes]) -> tuple[int, float]:
    """Return how many rows are read and how long that takes; compare the mids of all of them."""
    history = CassandraHistory(settings)
    columns: dict[str, list[float | None]] = {}
    begin = time.perf_counter()
    for market in markets:
        batches = history.rows(Series("spreads", market), 0, 2**62)
        columns[market] = [mid for batch in batches for mid in batch["mid"].to_pylist()]
    took = time.perf_counter() - begin
    history.close()
    expected = [decode_spreads(value).mid for value in values[:-1]]
    for i, market in enumerate(markets):
        if columns[market] != [mids[i] for mids in expected]:
            raise RuntimeError(f"expected the mids of {market} as they were written")
    return sum(map(len, columns.values())), took


def _markets(count: int) -> Iterator[str]:
    """Yield markets whose coins lie in one partition."""
    partition, number = partition_of("BTC", PARTITIONS), 0
    while count:
        number += 1
        if partition_of(f"C{number}", PARTITIONS) == partition:
            yield f"{EXCHANGE}:C{number}-USD"
            count -= 1


def _record(markets: list[str], partition: int, second: int) -> bytes:
    random = np.random.default_rng(second)

    def column(name: str) -> list[object]:
        if name in _INTEGERS:
            return list(random.integers(0, 400, len(markets)).tolist())
        if name in ("stale", "reasons"):
            return [False if name == "stale" else {"z": "warming"}] * len(markets)
        figures = random.lognormal(0, 1, len(markets)).tolist()
        if name in ("coverage", "trades_coverage"):
            return list(figures)
        nulls = random.random(len(markets)) < _NULL_SHARE
        return [None if is_null else x for x, is_null in zip(figures, nulls, strict=True)]

    def window() -> SpreadWindow:
        names = SpreadWindow.__struct_fields__
        return msgspec.convert({name: column(name) for name in names}, SpreadWindow)

    whole = {
        "v": SPREADS_VERSION,
        "exchange": EXCHANGE,
        "partition": partition,
        "as_of": iso_seconds(_BEGIN + second),
        "markets": markets,
        "windows": {label: window() for label in ("15s", "1m", "5m")},
    }
    rest = {name: column(name) for name in Spreads.__struct_fields__ if name not in _HEAD}
    return encode_spreads(msgspec.convert(whole | rest, Spreads))
