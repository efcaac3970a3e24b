"""A worker of the archive while its store is away: nothing is lost, and it goes on by itself."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.archive.store import open_store
from models.records.bursts import encode_burst
from models.settings import Settings
from services.archive.reader import ArchiveReader
from tests.unit.archive.chunk_worker_run import TOPIC, records, working
from tests.unit.archive.s3 import FailingS3
from tests.unit.archive.store_worker_run import LIMIT_S, until


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
            entries = worked.manifest.entries(TOPIC)
            assert entries[0].first_offset == 0
            for entry, after in itertools.pairwise(entries):
                assert after.begins_after == entry.last_offset + 1
            await worked.worker.commit()
            assert worked.log.committed[TOPIC, 0] == entries[-1].last_offset + 1

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
            last = worked.manifest.entries(TOPIC)[-1].last_offset
            given = [record for record in records() if record.offset <= last]
            read = [(each.offset, encode_burst(each.burst)) for each in reader.bursts(TOPIC)]
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
            await asyncio.wait_for(room, LIMIT_S)

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
            await asyncio.wait_for(room, LIMIT_S)
            assert not worked.worker.is_degraded
            assert worked.log.committed == {(TOPIC, 0): 0}
            await until(lambda: worked.log.sought == [(TOPIC, 0, 0)], "a seek")
            worked.give(records())
            await until(lambda: worked.records() > 300, "chunks")

    asyncio.run(story())
