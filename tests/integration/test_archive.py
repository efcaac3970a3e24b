"""The archive worker against a real Kafka: killed at any moment, it keeps every record once."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from collections import Counter
from functools import cache

import msgspec
from confluent_kafka import Producer

from agents.archive.manifest import Manifest
from agents.archive.store import open_store
from models.archive.chunks import ArchivedRecord
from models.archive.rendering import archived_topics, render
from models.records.bursts import encode_burst
from models.settings import Settings
from models.topics import DEAD_LETTERS, topic_name
from services.archive.reader import ArchiveReader
from tests.integration.agent_worker import AgentWorker
from tests.integration.commands import cointide
from tests.integration.line import Line
from tests.integration.topic_records import Record, read_topic
from tests.unit.archive.made import captured_records, chunks_of, made_derived

_CHUNK_S = 30
_KILLS = 5


# Of long ago Kafka would delete them; whole hours, so that there is always one that is over.
START_MS = (int(time.time()) // 3600 - 3) * 3_600_000


@cache
def _records() -> dict[tuple[str, int], list[ArchivedRecord]]:
    return captured_records(start_ms=START_MS) | made_derived(start_ms=START_MS)


def _settings(namespaced: Settings) -> Settings:
    # What is read again after a kill stays little: chunks are short, and idle ones end at once.
    return namespaced.model_copy(update={"archive_chunk_s": _CHUNK_S, "archive_idle_s": 1.0})


def _produce(settings: Settings) -> None:
    """Put captures and derived records into Kafka, with the timestamps of some hours ago."""
    producer = Producer({"bootstrap.servers": settings.kafka_brokers, "linger.ms": 5})
    for (topic, partition), records in _records().items():
        for record in records:
            producer.produce(
                topic_name(topic, settings.namespace),
                record.value,
                record.key,
                partition=partition,
                timestamp=record.timestamp,
            )
    # One that nobody can read, in the middle of nothing else.
    producer.produce(
        topic_name("kraken_quotes", settings.namespace),
        b"no burst",
        b"key",
        partition=0,
        timestamp=START_MS,
    )
    assert producer.flush(60) == 0


def _kafka(settings: Settings, topic: str) -> dict[int, list[Record]]:
    by_partition: dict[int, list[Record]] = {}
    for record in read_topic(settings, topic):
        by_partition.setdefault(record.partition, []).append(record)
    return by_partition


def _assert_exact(settings: Settings) -> None:
    """See that Kafka, the manifest and the Parquet files hold the same, nothing twice."""
    store = open_store(settings)
    reader = ArchiveReader(store)
    manifest = Manifest(store)
    refused = 0
    for topic in archived_topics(settings.exchanges):
        held = _kafka(settings, topic)
        entries = manifest.entries(topic)
        assert {entry.partition for entry in entries} == held.keys()
        for partition, records in held.items():
            mine = [entry for entry in entries if entry.partition == partition]
            assert sum(entry.records for entry in mine) == len(records)
            position = records[0].offset
            for entry in mine:
                assert (entry.begins_after, entry.first_offset) == (position, position)
                position = entry.last_offset + 1
                for file in entry.files:
                    content = store.read(file.path)
                    assert len(content) == file.bytes
                    assert hashlib.sha256(content).hexdigest() == file.sha256
            assert position == records[-1].offset + 1
            gone = {each.offset for entry in mine for each in entry.undecodable}
            refused += len(gone)
            kept = {record.offset: record.value for record in records if record.offset not in gone}
            if topic.endswith(("_quotes", "_trades")):
                back = {
                    each.offset: encode_burst(each.burst)
                    for each in reader.bursts(topic, partition)
                }
                assert back == kept
            else:
                rows: Counter[int] = Counter()
                for entry in mine:
                    table = reader.table(entry, topic)
                    assert table is not None
                    rows.update(table["offset"].to_pylist())
                assert rows.keys() == kept.keys()
    assert refused == 1


def test_killed_at_random_moments_the_archive_holds_every_offset_once(
    namespaced: Settings,
) -> None:
    """Killed from outside and between two writes: what is there is as if it had not been."""
    settings = _settings(namespaced)
    chance = random.Random(20261121)
    points = ["archive_files_written", "archive_entry_written"]
    with Line(settings, "archive", archived_topics(settings.exchanges)) as line:
        _produce(settings)
        ends = line.ends()
        for kill in range(_KILLS):
            inside = kill % 2 == 0
            plan = f"{chance.choice(points)}:{chance.randint(1, 15)}" if inside else ""
            worker = line.start_worker(instance="archive-0", fault_point=plan)
            if inside:
                _wait_for_the_end(line, worker)
                assert worker.process.returncode == -signal.SIGKILL, line.tell()
            else:
                share = min(0.95, line.committed() / ends + chance.uniform(0.02, 0.2))
                _wait_for_share(line, share * ends)
                worker.kill()
        assert line.committed() < ends, "expected the kills to be in the middle"
        line.start_worker(instance="archive-0")
        line.wait_until_done()
    _assert_exact(settings)
    manifest = Manifest(open_store(settings))
    for (topic, partition), records in _records().items():
        if (topic, partition) == ("kraken_quotes", 0):
            continue
        expected = [render(chunk).entry for chunk in chunks_of(topic, partition, records, _CHUNK_S)]
        found = [entry for entry in manifest.entries(topic) if entry.partition == partition]
        # The same bytes as in one go, which the SHA-256 of each file says.
        assert found == expected
    letters = [msgspec.json.decode(each.value or b"") for each in _letters(settings)]
    assert {letter["origin"]["offset"] for letter in letters} == {
        len(_records()["kraken_quotes", 0])
    }
    listed = cointide(settings, "archive", "files")
    assert listed.returncode == 0, listed.stderr
    compacted = cointide(settings, "archive", "compact")
    assert compacted.returncode == 0, compacted.stderr
    assert compacted.stdout.startswith("merged ")
    _assert_exact(settings)


def _wait_for_the_end(line: Line, worker: AgentWorker) -> None:
    line.until(lambda: not worker.is_alive(), "the worker's own kill")


def _wait_for_share(line: Line, offsets: float) -> None:
    line.until(lambda: line.committed() >= offsets, f"{offsets:.0f} committed")


def _letters(settings: Settings) -> list[Record]:
    return read_topic(settings, DEAD_LETTERS.name)


def test_while_the_store_is_away_the_worker_waits_and_goes_on(namespaced: Settings) -> None:
    """A folder that is moved away: the worker says so, writes nothing there, and loses nothing."""
    settings = _settings(namespaced)
    root = settings.data_dir / "archive"
    with Line(settings, "archive", archived_topics(settings.exchanges)) as line:
        worker = line.start_worker(instance="archive-0")
        line.wait_until_ready(worker)
        line.until(root.exists, "an archive to be begun", alive=[worker])
        aside = root.rename(root.with_name("aside"))
        _produce(settings)
        line.until(
            lambda: worker.metric("cointide_archive_failures_total") >= 3,
            "failures",
            alive=[worker],
        )
        assert worker.metric("cointide_archive_degraded") == 1
        assert worker.is_ready()
        assert line.committed() == 0
        assert not root.exists()
        aside.rename(root)
        line.wait_until_done()
        line.until(lambda: worker.metric("cointide_archive_degraded") == 0, "no longer degraded")
    _assert_exact(settings)
