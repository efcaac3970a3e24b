"""A worker of the archive beside a log in memory: outages, gaps, idle topics, restarts."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from agents.archive.manifest import Manifest
from agents.archive.metrics import ArchiveMetrics
from agents.archive.store import open_store
from agents.archive.tables import pane_of
from agents.archive.worker import ArchiveWorker
from agents.runtime.base_worker import TopicPartition
from agents.runtime.consumer import RecordBatch
from agents.runtime.steps import Step, decode_step
from models.archive.chunks import ArchivedRecord
from models.archive.rendering import render
from models.records.bursts import encode_burst
from models.records.dead_letters import DeadLetter
from models.settings import Settings
from models.topics import ARCHIVE_CHANGELOG, DEAD_LETTERS
from services.archive.reader import ArchiveReader
from tests.unit.archive.made import captured_records, chunks_of
from tests.unit.archive.s3 import FailingS3

_TOPIC = "kraken_quotes"
_CHUNK_S = 10
_LIMIT_S = 60.0


class MemoryLog:
    """Kafka, as far as a worker knows it: what it has sent, committed and sought."""

    def __init__(self, beginning: int = 0) -> None:
        self.beginning = beginning
        self.sent: dict[str, list[bytes]] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.sought: list[tuple[str, int, int]] = []

    async def send(
        self,
        topic: str,
        partition: int,  # noqa: ARG002 - the log's form
        key: bytes | None,  # noqa: ARG002
        value: bytes,
    ) -> Awaitable[object]:
        """Take a record."""
        self.sent.setdefault(topic, []).append(value)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take positions."""
        self.committed |= positions

    async def beginnings(self, partitions: Any) -> Mapping[TopicPartition, int]:
        """Return where the topics begin."""
        return dict.fromkeys(partitions, self.beginning)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Take note of a seek."""
        self.sought.append((topic, partition, offset))


class Worked:
    """A worker that runs, and what it works on."""

    def __init__(
        self,
        settings: Settings,
        log: MemoryLog,
        end: int | None = None,
        was_written: Callable[[], bool] = lambda: False,
    ) -> None:
        self.log = log
        self.settings = settings.model_copy(update={"archive_chunk_s": _CHUNK_S})
        self.manifest = Manifest(open_store(self.settings, was_written))
        self.metrics = ArchiveMetrics()
        self.now = 0.0
        self.steps: dict[int, dict[bytes, Step]] = {}
        self.worker = ArchiveWorker(
            self.settings,
            [_TOPIC],
            log,
            self.manifest,
            lambda partition, key, step: self.steps.setdefault(partition, {}).update({key: step}),
            lambda _topic, _partition: end,
            self.metrics,
            lambda: self.now,
        )

    def give(self, records: Sequence[ArchivedRecord]) -> None:
        """Hand over records as one batch of a fetch."""
        made: list[Any] = [
            SimpleNamespace(
                offset=each.offset, timestamp=each.timestamp, key=each.key, value=each.value
            )
            for each in records
        ]
        self.worker.take(_TOPIC, RecordBatch(_TOPIC, 0, made))

    def counted(self, name: str) -> float:
        """Return a metric."""
        return self.metrics.registry.get_sample_value(name) or 0.0

    def records(self) -> int:
        """Return how many records the manifest says are archived."""
        return sum(entry.records for entry in self.manifest.entries(_TOPIC))


@asynccontextmanager
async def working(
    settings: Settings,
    log: MemoryLog | None = None,
    end: int | None = None,
    steps: Mapping[int, Mapping[bytes, Step]] | None = None,
    was_written: Callable[[], bool] = lambda: False,
) -> Any:
    """Run a worker that owns partition 0."""
    worked = Worked(settings, log or MemoryLog(), end, was_written)
    await worked.worker.open([0], steps or {})
    task = asyncio.create_task(worked.worker.run(lambda: False))
    try:
        yield worked
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LIMIT_S):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)
    assert condition(), f"expected {what} within {_LIMIT_S:.0f} s"


def records() -> list[ArchivedRecord]:
    """Return the records of the captures, of some ten chunks."""
    return captured_records()[_TOPIC, 0][:400]


def test_finished_chunks_are_archived_and_then_committed(store_settings: Settings) -> None:
    """The open one is not: no later record has ended it."""

    async def story() -> None:
        made = records()
        expected = chunks_of(_TOPIC, 0, made, _CHUNK_S)
        async with working(store_settings) as worked:
            worked.give(made)
            await until(lambda: len(worked.manifest.names(_TOPIC)) == len(expected) - 1, "chunks")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            await worked.worker.commit()
            assert worked.log.committed == {(_TOPIC, 0): expected[-1].records[0].offset}
            found = worked.manifest.entries(_TOPIC)
            assert found == [render(chunk).entry for chunk in expected[:-1]]

    asyncio.run(story())


@pytest.mark.parametrize("mode", ["500", "silent"])
def test_an_outage_of_s3_stops_the_writing_and_loses_nothing(s3: FailingS3, mode: str) -> None:
    async def story() -> None:
        settings = Settings(archive_url=f"{s3.url}&request_timeout=1")
        async with working(settings) as worked:
            s3.fail(mode)
            worked.give(records())
            await until(
                lambda: worked.counted("cointide_archive_failures_total") >= 2, "two failures"
            )
            assert worked.worker.is_degraded
            assert worked.counted("cointide_archive_degraded") == 1
            s3.work()
            await until(lambda: not worked.worker.is_degraded, "to go on")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            entries = worked.manifest.entries(_TOPIC)
            assert entries[0].first_offset == 0
            for entry, after in itertools.pairwise(entries):
                assert after.begins_after == entry.last_offset + 1
            await worked.worker.commit()
            assert worked.log.committed[_TOPIC, 0] == entries[-1].last_offset + 1

    asyncio.run(story())


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk on which hardly anything fits, where that is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a disk of a few kB cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_writing_and_loses_nothing(full_disk: Path) -> None:
    """Once there is room it goes on, and what it left half written is in nobody's way."""

    async def story() -> None:
        async with working(Settings(archive_url=str(full_disk))) as worked:
            worked.give(records())
            await until(
                lambda: worked.counted("cointide_archive_failures_total") >= 2, "two failures"
            )
            assert worked.worker.is_degraded
            larger = ["mount", "-o", "remount,size=64m", str(full_disk)]
            await asyncio.to_thread(subprocess.run, larger, check=True)
            await until(lambda: not worked.worker.is_degraded, "to go on")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            reader = ArchiveReader(open_store(worked.settings))
            last = worked.manifest.entries(_TOPIC)[-1].last_offset
            given = [record for record in records() if record.offset <= last]
            read = [(each.offset, encode_burst(each.burst)) for each in reader.bursts(_TOPIC)]
            assert read == [(record.offset, record.value) for record in given]
            assert len(given) > 100

    asyncio.run(story())


def test_reading_waits_while_too_much_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room for more is gone while the store is away, and comes back with it."""
    monkeypatch.setattr("agents.archive.store_worker._WAITING_LIMIT", 10_000)

    async def story() -> None:
        settings = Settings(data_dir=tmp_path)
        async with working(settings) as worked:
            aside = (tmp_path / "archive").rename(tmp_path / "aside")
            (tmp_path / "archive").write_text("in the way")
            worked.give(records())
            room = asyncio.create_task(worked.worker.room())
            await until(lambda: worked.counted("cointide_archive_failures_total") >= 1, "a failure")
            assert not room.done()
            (tmp_path / "archive").unlink()
            aside.rename(tmp_path / "archive")
            await asyncio.wait_for(room, _LIMIT_S)

    asyncio.run(story())


def test_a_worker_waits_for_the_store_before_it_says_where_it_goes_on(s3: FailingS3) -> None:
    """It is open and owns nothing; what is read meanwhile is read again."""

    async def story() -> None:
        settings = Settings(archive_url=f"{s3.url}&request_timeout=1")
        s3.fail("500")
        async with working(settings) as worked:
            assert worked.worker.is_degraded
            assert worked.log.committed == {}
            worked.give(records())
            room = asyncio.create_task(worked.worker.room())
            s3.work()
            await asyncio.wait_for(room, _LIMIT_S)
            assert not worked.worker.is_degraded
            assert worked.log.committed == {(_TOPIC, 0): 0}
            await until(lambda: worked.log.sought == [(_TOPIC, 0, 0)], "a seek")
            worked.give(records())
            await until(lambda: worked.records() > 300, "chunks")

    asyncio.run(story())


def test_the_manifest_says_where_a_worker_goes_on(tmp_path: Path) -> None:
    """Not what is committed; and the hour in the changelog is counted anew where it is behind."""

    async def story() -> None:
        made = records()
        settings = Settings(data_dir=tmp_path)
        async with working(settings) as worked:
            worked.give(made[:200])
            await until(lambda: worked.records() > 100, "some chunks")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            done = worked.records()
        log = MemoryLog()
        async with working(settings, log, steps={}) as worked:
            assert log.committed == {(_TOPIC, 0): done}
            worked.give(made[done:])
            await until(lambda: worked.records() > done, "more")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            await until(lambda: bool(log.sent.get(ARCHIVE_CHANGELOG.name)), "a step")
            entries = worked.manifest.entries(_TOPIC)
            hour = entries[-1].start // 3600
            pane = pane_of(decode_step(log.sent[ARCHIVE_CHANGELOG.name][-1]))
            mine = [entry for entry in entries if entry.start // 3600 == hour]
            assert pane["records"] == sum(entry.records for entry in mine)
            assert pane["chunks"] == len(mine)
            assert (pane["first_offset"], pane["last_offset"]) == (
                mine[0].first_offset,
                mine[-1].last_offset,
            )

    asyncio.run(story())


def test_an_idle_topic_is_archived_to_its_end(tmp_path: Path) -> None:
    """Once its slot is over for a while, and only when nothing is left to read."""

    async def story() -> None:
        made = records()[:5]
        async with working(Settings(data_dir=tmp_path), end=5) as worked:
            worked.give(made[:4])
            worked.now = made[0].timestamp / 1_000 + 1_000
            source = worked.worker._owned.sources[_TOPIC, 0]
            assert not source.close_idle(5, worked.now)
            worked.give(made[4:])
            await until(lambda: worked.records() == 5, "the open chunk")

    asyncio.run(story())


def test_where_a_batch_begins_too_late_it_is_read_from_where_it_should(tmp_path: Path) -> None:
    async def story() -> None:
        made = records()
        async with working(Settings(data_dir=tmp_path)) as worked:
            worked.give(made[100:])
            await worked.worker.room()
            assert worked.log.sought == [(_TOPIC, 0, 0)]
            worked.give(made)
            await until(lambda: worked.records() > 300, "chunks")
            assert worked.manifest.entries(_TOPIC)[0].first_offset == 0

    asyncio.run(story())


def test_what_kafka_deleted_before_it_was_archived_is_told(tmp_path: Path) -> None:
    """A metric counts it, and the manifest has a gap in its place."""

    async def story() -> None:
        made = records()
        async with working(Settings(data_dir=tmp_path)) as worked:
            worked.give(made[:90])
            worked.log.beginning = 200
            worked.give(made[200:])
            await worked.worker.room()
            worked.give(made[200:])
            await until(lambda: worked.records() > 200, "chunks")
            lost = worked.metrics.registry.get_sample_value(
                "cointide_archive_lost_offsets_total", {"topic": _TOPIC}
            )
            assert lost == 110
            entries = worked.manifest.entries(_TOPIC)
            gaps = [
                (before.last_offset, after.begins_after)
                for before, after in itertools.pairwise(entries)
                if after.begins_after != before.last_offset + 1
            ]
            assert gaps == [(89, 200)]

    asyncio.run(story())


def test_offsets_that_a_topic_never_held_are_passed_over(tmp_path: Path) -> None:
    """After so many seeks that bring the same batch, there is nothing between."""

    async def story() -> None:
        made = records()
        async with working(Settings(data_dir=tmp_path)) as worked:
            worked.give(made[:90])
            for _ in range(4):
                worked.give(made[95:])
                await worked.worker.room()
            await until(lambda: worked.records() > 300, "chunks")
            entries = worked.manifest.entries(_TOPIC)
            for entry, after in itertools.pairwise(entries):
                assert after.begins_after == entry.last_offset + 1

    asyncio.run(story())


def test_a_record_nobody_can_read_is_a_dead_letter_and_in_the_entry(tmp_path: Path) -> None:
    async def story() -> None:
        made = records()
        made[3] = msgspec.structs.replace(made[3], value=b"no burst", key=b"k")
        async with working(Settings(data_dir=tmp_path)) as worked:
            worked.give(made)
            await until(lambda: worked.records() > 300, "chunks")
            (value,) = worked.log.sent[DEAD_LETTERS.name]
            letter = msgspec.json.decode(value, type=DeadLetter)
            assert (letter.origin.topic, letter.origin.offset) == (_TOPIC, 3)
            entry = worked.manifest.entries(_TOPIC)[0]
            assert [each.offset for each in entry.undecodable] == [3]

    asyncio.run(story())


def test_nothing_is_archived_of_what_was_taken_away(tmp_path: Path) -> None:
    """Revoked: what is in memory is forgotten, and records on their way are ignored."""

    async def story() -> None:
        async with working(Settings(data_dir=tmp_path)) as worked:
            worked.give(records()[:30])
            await worked.worker.revoked()
            worked.give(records()[30:])
            worked.now = 1e12
            await worked.worker.commit()
            assert worked.log.committed == {(_TOPIC, 0): 0}
            assert worked.counted("cointide_partitions") == 0

    asyncio.run(story())
