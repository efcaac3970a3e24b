"""A worker of the archive beside a log in memory: chunks, gaps, idle topics, restarts."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import msgspec

from agents.archive.tables import pane_of
from agents.runtime.steps import decode_step
from models.archive.rendering import render
from models.records.dead_letters import DeadLetter
from models.settings import Settings
from models.topics import ARCHIVE_CHANGELOG, DEAD_LETTERS
from tests.unit.archive.chunk_worker_run import CHUNK_S, TOPIC, records, working
from tests.unit.archive.made import chunks_of
from tests.unit.archive.store_worker_run import MemoryLog, until


def test_finished_chunks_are_archived_and_then_committed(store_settings: Settings) -> None:
    """The open one is not: no later record has ended it."""

    async def story() -> None:
        made = records()
        expected = chunks_of(TOPIC, 0, made, CHUNK_S)
        async with working(store_settings) as worked:
            worked.give(made)
            await until(lambda: len(worked.manifest.names(TOPIC)) == len(expected) - 1, "chunks")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            await worked.worker.commit()
            assert worked.log.committed == {(TOPIC, 0): expected[-1].records[0].offset}
            found = worked.manifest.entries(TOPIC)
            assert found == [render(chunk).entry for chunk in expected[:-1]]

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
        async with working(settings, log) as worked:
            assert log.committed == {(TOPIC, 0): done}
            worked.give(made[done:])
            await until(lambda: worked.records() > done, "more")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            await until(lambda: bool(log.sent.get(ARCHIVE_CHANGELOG.name)), "a step")
            entries = worked.manifest.entries(TOPIC)
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
            source = worked.worker._owned.sources[TOPIC, 0]
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
            assert worked.log.sought == [(TOPIC, 0, 0)]
            worked.give(made)
            await until(lambda: worked.records() > 300, "chunks")
            assert worked.manifest.entries(TOPIC)[0].first_offset == 0

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
                "cointide_archive_lost_offsets_total", {"topic": TOPIC}
            )
            assert lost == 110
            entries = worked.manifest.entries(TOPIC)
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
            entries = worked.manifest.entries(TOPIC)
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
            assert (letter.origin.topic, letter.origin.offset) == (TOPIC, 3)
            entry = worked.manifest.entries(TOPIC)[0]
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
            assert worked.log.committed == {(TOPIC, 0): 0}
            assert worked.counted("cointide_partitions") == 0

    asyncio.run(story())
