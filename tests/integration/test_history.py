"""History through a real Kafka, a real archive worker and a real gateway: what was published."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer

from agents.archive.manifest import Manifest
from agents.archive.store import open_store
from models.archive.chunks import ArchivedRecord
from models.archive.derived_tables import derived_rows, derived_table, in_order
from models.archive.manifest import MANIFEST_VERSION, Entry, chunk_name
from models.archive.rendering import archived_topics, data_file, file_path, parquet_bytes
from models.markets import coin_of
from models.partition import partition_of
from models.records.bursts import decode_quotes, decode_trades
from models.records.reference import Market, encode_reference
from models.records.spreads import decode_spreads
from models.records.unpacked import quote_objects, spread_objects, trade_objects
from models.settings import Settings
from models.topics import MARKETS, SPREADS, topic_name
from tests.integration.gateway import GatewayProcess, send
from tests.integration.line import Line
from tests.integration.topic_records import read_topic
from tests.integration.waiting import tail_of, until
from tests.unit.archive.made import captured_records, made_derived
from tests.unit.gateway.made import BTC, ETH, START, market, spreads

_HOUR_MS = 3_600_000
_SPREADS = "/v1/spreads/kraken/BTC-USD/history"
_DAY_MARKET = "kraken:SOL-USD"
_LIMIT_S = 60.0
_MOST_GROWTH_KB = 36 * 1024
"""The rows that a day has beyond six hours are that much as Arrow alone, 563 bytes each."""
_FORMS: dict[str, tuple[str, Callable[[bytes], pa.Table]]] = {
    "csv": ("text/csv", lambda body: pyarrow.csv.read_csv(io.BytesIO(body))),
    "parquet": ("application/vnd.apache.parquet", lambda body: pq.read_table(io.BytesIO(body))),
    "arrow": (
        "application/vnd.apache.arrow.stream",
        lambda body: pa.ipc.open_stream(body).read_all(),
    ),
}


class Told:
    """Records on their way into Kafka with timestamps of their own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = Producer({"bootstrap.servers": settings.kafka_brokers, "linger.ms": 5})

    def put(self, topic: str, partition: int, records: Sequence[ArchivedRecord], ms: int) -> None:
        """Send records as if they had been produced a millisecond apart from then on."""
        name = topic_name(topic, self._settings.namespace)
        for number, record in enumerate(records):
            self._producer.produce(
                name, record.value, record.key, partition=partition, timestamp=ms + number
            )
        assert self._producer.flush(_LIMIT_S) == 0


@pytest.fixture
def settings(namespaced: Settings) -> Settings:
    """Return settings with which everything is archived soon."""
    return namespaced.model_copy(update={"archive_chunk_s": 30, "archive_idle_s": 1.0})


@pytest.fixture
def gateway(settings: Settings) -> Iterator[GatewayProcess]:
    """Return a gateway: a part archived, a part in Kafka behind, the newest in its memory."""
    now = int(time.time() * 1_000)
    ticks = {at: each for at, each in captured_records().items() if at[0].startswith("kraken_")}
    seconds = [
        ArchivedRecord(0, 0, b"key", spreads(n, [BTC, ETH], 1.0 + n % 7).value) for n in range(240)
    ]
    ((feeds_at, feeds),) = [each for each in made_derived(120).items() if each[0][0] == "feeds"]
    told = Told(settings)
    with Line(settings, "archive", archived_topics(settings.exchanges)) as line:
        # A worker that was killed had sent some records twice.
        told.put("spreads", 2, [*seconds[:120], *seconds[100:120]], now - 3 * _HOUR_MS)
        told.put(*feeds_at, feeds[:80], now - 3 * _HOUR_MS)
        for at, records in ticks.items():
            told.put(*at, records[: len(records) * 2 // 3], now - 3 * _HOUR_MS)
        line.start_worker(instance="archive-0")
        line.wait_until_done()
    told.put("spreads", 2, seconds[118:180], now - _HOUR_MS)
    told.put(*feeds_at, feeds[80:], now - _HOUR_MS)
    for at, records in ticks.items():
        told.put(*at, records[len(records) * 2 // 3 :], now - _HOUR_MS)
    told.put("spreads", 2, seconds[180:], now)
    for name in (BTC, _DAY_MARKET):
        record = market(name).record
        assert isinstance(record, Market)
        send(settings, MARKETS.name, [encode_reference(record)], [name.encode()])
    with GatewayProcess(settings) as process:
        yield process


def pages(gateway: GatewayProcess, path: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        body = gateway.get(f"{path}?limit={limit}{cursor}")
        assert body["gaps"] == []
        rows += body["data"]
        if body["next"] is None:
            return rows
        cursor = f"&cursor={body['next']}"


def streamed(gateway: GatewayProcess, path: str, form: str) -> pa.Table:
    """Return a range in a form that is streamed."""
    kind, read = _FORMS[form]
    got = httpx.get(f"http://{gateway.address}{path}", headers={"Accept": kind}, timeout=_LIMIT_S)
    assert got.status_code == 200, got.text[:300]
    assert got.headers["cointide-gaps"] == "[]"
    return read(got.content)


def test_history_is_what_was_published(gateway: GatewayProcess, settings: Settings) -> None:
    """In every form, wherever a row lies, each once; feeds and raw ticks likewise.

    An archive that is gone is said by 503 and by `degraded`, and by nothing else.
    """
    expected = {
        row["as_of"]: row
        for record in read_topic(settings, SPREADS.name)
        for row in spread_objects(decode_spreads(record.value or b""))
        if row["market"] == BTC
    }
    assert pages(gateway, _SPREADS, 70) == [expected[as_of] for as_of in sorted(expected)]
    assert len(expected) == 240
    for form in _FORMS:
        found = streamed(gateway, _SPREADS, form)
        assert found["spread"].to_pylist() == [expected[at]["spread"] for at in sorted(expected)]
        at = [each.isoformat() for each in found["as_of"].to_pylist()]
        assert [each[:19] for each in at] == [each[:19] for each in sorted(expected)]
    minutes = gateway.get(f"{_SPREADS}?interval=1m&aggregate=mean")["data"]
    assert [row["rows"] for row in minutes] == [1, 60, 60, 60]

    changes = pages(gateway, "/v1/feeds/kraken/BTC-USD/history", 7)
    assert [row["since"][14:19] for row in changes] == [
        f"{n // 60:02}:{n % 60:02}" for n in range(0, 120, 4)
    ]

    decoders: dict[str, tuple[Any, Any]] = {
        "quotes": (decode_quotes, quote_objects),
        "trades": (decode_trades, trade_objects),
    }
    for kind, (decode, objects) in decoders.items():
        held = [
            (row["time"][:26], record.offset, number)
            for record in read_topic(settings, f"kraken_{kind}")
            for number, row in enumerate(objects(decode(record.value)))
            if row["market"] == BTC
        ]
        path = f"/v1/markets/kraken/BTC-USD/{kind}"
        rows = pages(gateway, path, 97)
        assert [(row["offset"], row["row"]) for row in rows] == [at[1:] for at in sorted(held)]
        for form in _FORMS:
            assert streamed(gateway, path, form)["offset"].to_pylist() == [
                row["offset"] for row in rows
            ]

    folder = settings.data_dir / "archive" / settings.namespace
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        got = httpx.get(f"http://{gateway.address}{_SPREADS}", timeout=_LIMIT_S)
        assert got.status_code == 503, got.text[:300]
        assert got.headers["content-type"] == "application/problem+json"
        assert int(got.headers["retry-after"]) > 0
        assert gateway.get("/v1/ready") == {"ready": True, "degraded": ["archive"]}
        assert gateway.get("/v1/spreads/kraken/BTC-USD")["mid"] is not None
        assert not folder.exists()
    finally:
        aside.rename(folder)
    until(
        lambda: gateway.get("/v1/ready")["degraded"] == [],
        "the archive to be seen again",
        lambda: tail_of(gateway.log),
    )
    _check_memory(gateway, settings)


def _check_memory(gateway: GatewayProcess, settings: Settings) -> None:
    """A day at one second takes no more memory than six hours, as CSV and as Parquet.

    Six hours are more than one row group, so every buffer has been filled once; they are asked
    for twice, as what allocators keep for the next time differs from one time to the next.
    """
    _archive_day(settings)
    path = "/v1/spreads/kraken/SOL-USD/history"
    hours = "start=2026-03-01T12:00:00Z&end=2026-03-01T18:00:00Z"
    for form in ("csv", "parquet") * 2:
        assert _rows_streamed(gateway, f"{path}?{hours}", form) == 21_600
    before = _peak_kb(gateway.process.pid)
    for form in ("csv", "parquet"):
        assert _rows_streamed(gateway, path, form) == 86_400
    growth = _peak_kb(gateway.process.pid) - before
    assert growth < _MOST_GROWTH_KB, f"expected constant memory, grew by {growth} KB"


def _rows_streamed(gateway: GatewayProcess, path: str, form: str) -> int:
    address = f"http://{gateway.address}{path}"
    kept = io.BytesIO()
    lines = 0
    with httpx.stream("GET", address, headers={"Accept": _FORMS[form][0]}, timeout=60) as got:
        assert got.status_code == 200
        for part in got.iter_bytes():
            if form == "csv":
                lines += part.count(b"\n")
            else:
                kept.write(part)
    return lines - 1 if form == "csv" else int(pq.read_metadata(kept).num_rows)


def _archive_day(settings: Settings) -> None:
    """Archive a day of a market as the agent would have, hour by hour."""
    partition = partition_of(coin_of(_DAY_MARKET), settings.partitions)
    rows = [
        derived_rows("spreads", second, spreads(second, [_DAY_MARKET]).value)
        for second in range(3_600)
    ]
    hour = in_order("spreads", derived_table("spreads", rows))
    manifest = Manifest(open_store(settings))
    store = open_store(settings)
    for number in range(24):
        first, last = number * 3_600, number * 3_600 + 3_599
        later = pa.scalar(number * 3_600 * 1_000_000, pa.duration("us"))
        shifted = {
            "as_of": pa.compute.add(hour["as_of"], later),
            "offset": pa.compute.add(hour["offset"], number * 3_600),
        }
        table = pa.table([shifted.get(n, hour[n]) for n in hour.column_names], hour.column_names)
        path = file_path("spreads", "spreads", first, chunk_name(partition, first, last))
        content = parquet_bytes(table)
        store.write(path, content)
        begin = (START + first) * 1_000_000_000
        manifest.write_entry(
            Entry(
                version=MANIFEST_VERSION, topic="spreads", partition=partition,
                first_offset=first, last_offset=last, begins_after=first, start=first,
                records=3_600, rows=3_600, least_time=begin,
                greatest_time=begin + 3_599_000_000_000, undecodable=[],
                files=[data_file(path, "spreads", 3_600, content)],
            )
        )  # fmt: skip


def _peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1])
