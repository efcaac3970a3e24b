"""A worker of `archive-cassandra` beside a log and a Cassandra in memory: outages, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

import msgspec
import pytest

from agents.archive.cassandra.metrics import CassandraMetrics
from agents.archive.cassandra.store import SeriesStore, units_at_once
from agents.archive.cassandra.worker import CassandraWorker
from models.archive.chunks import ArchivedRecord
from models.archive.series_cutting import Unit
from models.partition import partition_of
from models.records.dead_letters import DeadLetter
from models.settings import Settings
from models.topics import DEAD_LETTERS
from tests.unit.archive.made_series import (
    PARTITIONS,
    UNREADABLE,
    keyed,
    made_series,
    rows_in_kafka,
    shown_rows,
)
from tests.unit.archive.memory_store import MemoryStore
from tests.unit.archive.store_worker_run import MemoryLog, WorkerRun, running, until

_TOPIC = "spreads"
_PARTITION = partition_of("BTC", PARTITIONS)
_PLACE = _TOPIC, _PARTITION


class SeriesWorkerRun(WorkerRun):
    """A worker of one topic beside a Cassandra in memory."""

    def __init__(self, store: MemoryStore, log: MemoryLog, end: int | None) -> None:
        super().__init__(_PLACE, log)
        self.store = store
        self.metrics = CassandraMetrics()
        self.worker = CassandraWorker(
            Settings(archive_idle_s=20.0),
            [_TOPIC],
            log,
            cast(SeriesStore, store),
            lambda _topic, _partition: end,
            self.metrics,
            lambda: self.now,
        )

    def position(self) -> int:
        """Return up to where progress says that everything is written."""
        told = self.store.told.get(_PLACE)
        return 0 if told is None else told.next_offset


def working(
    store: MemoryStore, log: MemoryLog | None = None, end: int | None = None
) -> AbstractAsyncContextManager[SeriesWorkerRun]:
    """Run a worker that owns the partition; the topic ends at `end`."""
    return running(SeriesWorkerRun(store, log or MemoryLog(), end))


def records() -> list[ArchivedRecord]:
    """Return some minutes of two sources."""
    return made_series(200)[_PLACE]


def assert_written(store: MemoryStore, made: Sequence[ArchivedRecord]) -> None:
    """See that the store holds what these records do."""
    held = rows_in_kafka(_TOPIC, [(record.offset, record.value) for record in made])
    found = shown_rows(store.table(_TOPIC))
    assert len(found) == len(held)
    assert keyed(_TOPIC, found) == held


def test_a_minute_is_written_whole_once_it_is_over_and_committed_then() -> None:
    """What is open is neither written nor committed: it is read again after a restart."""

    async def story() -> None:
        made = records()
        async with working(MemoryStore()) as worked:
            worked.give(made)
            await until(lambda: worked.position() > 0, "some minutes")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            await worked.worker.commit()
            assert worked.log.committed[_PLACE] == worked.position() < made[-1].offset
            minutes = {row.values[2] for row in worked.store.writes}
            assert len(minutes) == 3
            written = {(row.values[0], row.values[2]) for row in worked.store.writes}
            assert len(worked.store.writes) == len(written), "no minute in parts"

    asyncio.run(story())


def test_an_idle_topic_is_written_to_its_end_and_a_restart_continues_its_minute() -> None:
    async def story() -> None:
        made = records()
        store = MemoryStore()
        first = made[: len(made) // 2]
        async with working(store, end=len(first)) as worked:
            worked.give(first)
            worked.now = first[-1].timestamp / 1_000 + 21
            await until(lambda: worked.position() == len(first), "the open minutes")
            assert_written(store, first)
        log = MemoryLog()
        async with working(store, log, end=len(made)) as worked:
            assert log.committed == {_PLACE: len(first)}
            worked.give(made[len(first) :])
            worked.now = made[-1].timestamp / 1_000 + 21
            await until(lambda: worked.position() == len(made), "the rest")
            assert_written(store, made)

    asyncio.run(story())


def test_while_cassandra_is_away_nothing_is_committed_and_nothing_is_lost() -> None:
    """It says so, counts the tries, and goes on by itself."""

    async def story() -> None:
        made = records()
        store = MemoryStore()
        async with working(store, end=len(made)) as worked:
            store.is_away = True
            worked.give(made)
            worked.now = made[-1].timestamp / 1_000 + 21
            await until(
                lambda: worked.counted("cointide_archive_failures_total") >= 2, "two failures"
            )
            assert worked.worker.is_degraded
            await until(
                lambda: (
                    worked.counted("cointide_archive_behind_offsets", topic=_TOPIC) == len(made)
                ),
                "a lag",
            )
            assert worked.counted("cointide_archive_behind_seconds", topic=_TOPIC) > 200
            assert store.writes == []
            store.is_away = False
            await until(lambda: worked.position() == len(made), "everything")
            assert not worked.worker.is_degraded
            assert_written(store, made)

    asyncio.run(story())


def test_a_worker_that_starts_without_cassandra_begins_when_it_is_there() -> None:
    async def story() -> None:
        made = records()
        store = MemoryStore()
        store.is_away = True
        async with working(store, end=len(made)) as worked:
            assert worked.worker.is_degraded
            worked.give(made)
            store.is_away = False
            await until(lambda: worked.log.sought == [(*_PLACE, 0)], "a seek")
            worked.give(made)
            worked.now = made[-1].timestamp / 1_000 + 21
            await until(lambda: worked.position() == len(made), "everything")
            assert_written(store, made)

    asyncio.run(story())


def test_reading_waits_while_too_much_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.archive.store_worker._WAITING_LIMIT", 10_000)

    async def story() -> None:
        store = MemoryStore()
        async with working(store) as worked:
            store.is_away = True
            worked.give(records())
            room = asyncio.create_task(worked.worker.room())
            await until(lambda: worked.counted("cointide_archive_failures_total") >= 1, "a failure")
            assert not room.done()
            store.is_away = False
            await asyncio.wait_for(room, 60)

    asyncio.run(story())


def test_a_record_nobody_can_read_is_one_dead_letter() -> None:
    """Whether its head can be read or not, and however often writing is tried."""

    async def story() -> None:
        made = records()
        broken = made[5].value or b""
        made[5] = msgspec.structs.replace(made[5], value=broken.replace(b'"bid":[', b'"bid":["x",'))
        assert made[-1].value == UNREADABLE
        store = MemoryStore()
        async with working(store, end=len(made)) as worked:
            store.is_away = True
            worked.give(made)
            worked.now = made[-1].timestamp / 1_000 + 21
            await until(
                lambda: worked.counted("cointide_archive_failures_total") >= 3, "three failures"
            )
            store.is_away = False
            await until(lambda: worked.position() == len(made), "everything")
            letters = [
                msgspec.json.decode(each, type=DeadLetter)
                for each in worked.log.sent[DEAD_LETTERS.name]
            ]
            assert sorted(letter.origin.offset or 0 for letter in letters) == [5, made[-1].offset]

    asyncio.run(story())


def test_what_kafka_deleted_before_it_was_written_is_counted_and_not_claimed() -> None:
    """The source's reach begins anew after the gap."""

    async def story() -> None:
        made = records()
        store = MemoryStore()
        async with working(store, end=90) as worked:
            worked.give(made[:90])
            worked.now = made[89].timestamp / 1_000 + 21
            await until(lambda: worked.position() == 90, "the first ones")
        before = store.told[_PLACE].reaches["kraken"]
        async with working(store, MemoryLog(beginning=200), end=len(made)) as worked:
            assert worked.counted("cointide_archive_lost_offsets_total", topic=_TOPIC) == 110
            worked.give(made[200:])
            worked.now = made[-1].timestamp / 1_000 + 21
            await until(lambda: worked.position() == len(made), "the rest")
        assert store.told[_PLACE].reaches["kraken"].first > before.end

    asyncio.run(story())


def test_a_unit_that_continues_a_minute_is_written_after_what_it_continues() -> None:
    units = [Unit(offset, [], {}, continues=offset == 2) for offset in range(4)]
    assert units_at_once(units, 100, 10) == units[:2]
    assert units_at_once(units[2:], 100, 10) == units[2:]
    assert units_at_once(units, 100, 1) == units[:1]
