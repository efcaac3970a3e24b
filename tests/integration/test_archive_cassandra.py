"""The Cassandra writer on a real Kafka and a real Cassandra: what is in the topics can be read."""

from __future__ import annotations

import json
import random
import signal
import time
import urllib.request
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka import Producer

from agents.archive.cassandra.schema import apply_schema, migrations
from agents.archive.cassandra.session import open_session
from models.archive.series_cutters import CUTTERS
from models.settings import Settings
from models.times import microseconds_of
from models.topics import DEAD_LETTERS, topic_name
from services.history.cassandra import CassandraHistory
from services.history.source import Series
from services.local.ports import LOOPBACK
from tests.integration.agent_worker import AgentWorker
from tests.integration.cassandra_node import CassandraForTests
from tests.integration.line import Line
from tests.integration.topic_records import read_topic
from tests.unit.archive.made_series import (
    PARTITIONS,
    Log,
    Rows,
    keyed,
    last_matrices,
    made_series,
    rows_in_kafka,
    shown_rows,
)

_ALWAYS = 2**62
_SERIES_TOPICS = ("spreads", "bars", "indicators", "returns", "feeds")

# Of long ago Kafka would delete them.
START_MS = (int(time.time()) - 3_600) * 1_000


@cache
def _log() -> Log:
    return made_series(start_ms=START_MS)


@pytest.fixture
def settings(namespaced: Settings, cassandra: CassandraForTests) -> Settings:
    """Return settings of a namespace with its tables; what is silent a little is idle."""
    wanted = {"partitions": PARTITIONS, "archive_idle_s": 1.0, "cassandra_ttl_days": 0}
    found = namespaced.model_copy(
        update={**cassandra.contact, **wanted, "cassandra_bars_ttl_days": 0}
    )
    with open_session(found, keyspace="") as session:
        apply_schema(session, found, migrations())
    return found


@pytest.fixture
def history(settings: Settings) -> Iterator[CassandraHistory]:
    """Return what reads these tables."""
    history = CassandraHistory(settings)
    yield history
    history.close()


def _produce(settings: Settings, share: float = 1.0, since: float = 0.0) -> None:
    """Put a part of the log into Kafka, in the order of its timestamps."""
    producer = Producer({"bootstrap.servers": settings.kafka_brokers, "linger.ms": 5})
    for (topic, partition), records in _log().items():
        for record in records[round(since * len(records)) : round(share * len(records))]:
            producer.produce(
                topic_name(topic, settings.namespace),
                record.value,
                record.key,
                partition=partition,
                timestamp=record.timestamp,
            )
    assert producer.flush(60) == 0


def _assert_exact(settings: Settings, history: CassandraHistory) -> None:
    """See that the reader gives what the topics hold, row by row and field by field."""
    for topic in _SERIES_TOPICS:
        held = _rows_by_series(topic, _kafka_rows(settings, topic))
        assert held
        for series, expected in held.items():
            found = _read(history, series)
            times = [row["as_of"] for row in found]
            assert times == sorted(times)
            assert len(found) == len(expected), series
            assert keyed(topic, found) == expected
            _assert_spans(history, series, found)
    _assert_matrices(settings, history)


def _kafka_rows(settings: Settings, topic: str) -> Rows:
    rows: Rows = {}
    by_partition: dict[int, list[tuple[int, bytes | None]]] = {}
    for record in read_topic(settings, topic):
        by_partition.setdefault(record.partition, []).append((record.offset, record.value))
    for records in by_partition.values():
        rows |= rows_in_kafka(topic, records)
    return rows


def _rows_by_series(topic: str, rows: Rows) -> dict[Series, Rows]:
    by_series: dict[Series, Rows] = {}
    for key, row in rows.items():
        series = Series(topic, key[0], row.get("interval"))  # type: ignore[arg-type]
        by_series.setdefault(series, {})[key] = row
    return by_series


def _read(history: CassandraHistory, series: Series, start: int = 0, end: int = _ALWAYS) -> Any:
    rows = []
    for batch in history.rows(series, start, end):
        assert isinstance(batch, pa.RecordBatch)
        rows += shown_rows(batch)
    return rows


def _assert_spans(history: CassandraHistory, series: Series, found: list[dict[str, Any]]) -> None:
    """See that the span covers every row, and that a part of the range gives that part."""
    span = history.span(series)
    assert span is not None
    times = [microseconds_of(row["as_of"]) * 1_000 for row in found]
    assert span.start <= times[0]
    assert times[-1] < span.end
    start, end = times[len(times) // 3], times[2 * len(times) // 3] + 1
    wanted = [row for row, at in zip(found, times, strict=True) if start <= at < end]
    assert _read(history, series, start, end) == wanted


def _assert_matrices(settings: Settings, history: CassandraHistory) -> None:
    """See that of every minute the last matrix is there, with all its blocks."""
    records = [(each.offset, each.value) for each in read_topic(settings, "correlations")]
    expected = last_matrices(records)
    assert expected
    table = expected[0][0].table
    assert list(history.matrices(table, 0, _ALWAYS)) == expected


def _letters(settings: Settings) -> set[tuple[str, int]]:
    letters = [
        msgspec.json.decode(each.value or b"") for each in read_topic(settings, DEAD_LETTERS.name)
    ]
    return {(each["origin"]["topic"], each["origin"]["partition"]) for each in letters}


def _has_ended(worker: AgentWorker) -> bool:
    return not worker.is_alive()


def _degraded(worker: AgentWorker) -> list[str] | None:
    """Return what a ready worker says is degraded, None where it is not ready."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{worker.port}/ready", timeout=2) as answer:
            return list(json.load(answer)["degraded"])
    except OSError:
        return None


def test_killed_at_random_moments_the_writer_loses_and_doubles_nothing(
    settings: Settings, history: CassandraHistory
) -> None:
    """Killed between rows and progress, after progress, and from outside while it writes."""
    chance = random.Random(20261121)
    with Line(settings, "archive-cassandra", list(CUTTERS)) as line:
        _produce(settings, 0.3)
        for number, point in enumerate(("archive_rows_written", "archive_progress_written")):
            plan = f"{point}:{chance.randint(6, 10)}"
            worker = line.start_worker(instance="writer-0", fault_point=plan)
            line.until(partial(_has_ended, worker), "the worker's own kill")
            assert worker.process.returncode == -signal.SIGKILL, line.tell()
            _produce(settings, 0.5 + number * 0.2, 0.3 + number * 0.2)
        worker = line.start_worker(instance="writer-0")
        line.wait_until_ready(worker)
        before = line.committed()
        _produce(settings, 1.0, 0.7)
        line.until(lambda: line.committed() > before, "a part of the rest")
        worker.kill()
        line.start_worker(instance="writer-0")
        line.wait_until_done()
    _assert_exact(settings, history)
    assert _letters(settings) == {
        (topic_name(topic, settings.namespace), partition) for topic, partition in _log()
    }


def test_while_cassandra_is_dead_the_writer_waits_and_then_goes_on(
    settings: Settings, history: CassandraHistory, cassandra: CassandraForTests
) -> None:
    """Killed under load: the writer is ready and says so, and what is written is exact."""
    with Line(settings, "archive-cassandra", list(CUTTERS)) as line:
        worker = line.start_worker(instance="writer-0")
        line.wait_until_ready(worker)
        _produce(settings, 0.4)
        line.until(lambda: line.committed() > 0, "the first rows", alive=[worker])
        cassandra.kill()
        _produce(settings, 1.0, 0.4)
        line.until(lambda: _degraded(worker) == ["archive"], "to be degraded", alive=[worker])
        assert worker.metric("cointide_archive_degraded") == 1
        lag = 'cointide_archive_behind_offsets{topic="spreads"}'
        line.until(lambda: worker.metric(lag) > 0, "a lag", alive=[worker])
        assert worker.metric('cointide_archive_behind_seconds{topic="spreads"}') > 0
        # One that comes while it is away is as ready.
        worker.kill()
        worker = line.start_worker(instance="writer-0")
        line.until(lambda: _degraded(worker) == ["archive"], "to be degraded", alive=[worker])
        cassandra.start()
        line.wait_until_done()
        line.until(lambda: _degraded(worker) == [], "to be as before", alive=[worker])
        line.until(lambda: worker.metric(lag) == 0, "no lag", alive=[worker])
    _assert_exact(settings, history)


def test_what_was_never_written_has_no_span(history: CassandraHistory) -> None:
    assert history.span(Series("spreads", "kraken:XRP-USD")) is None
    assert list(history.rows(Series("spreads", "kraken:XRP-USD"), 0, _ALWAYS)) == []
    assert list(history.matrices("1h.60s.pearson", 0, _ALWAYS)) == []
    assert history.span(Series("bars", "kraken:XRP-USD", "1m")) is None
