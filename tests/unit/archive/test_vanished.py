"""An archive that has been there and is gone: an outage to whoever reads or writes, never empty."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from agents.archive.store import Store, open_store
from models.errors import StoreError
from models.records.spreads import decode_spreads, encode_spreads
from models.settings import Settings
from services.archive.existing import existing_archive
from services.archive.reader import ArchiveReader
from services.backfill.reader import BackfillReader
from services.history.entries import EntryIndex
from services.history.source import Series
from tests.unit.archive.chunk_worker_run import TOPIC, records, working
from tests.unit.archive.s3 import FailingS3
from tests.unit.archive.store_worker_run import until
from tests.unit.gateway.calls import check_problem
from tests.unit.gateway.made import BTC, market, spreads
from tests.unit.history.made import COIN_PARTITION, HistoryDesk, archive, records_of

_PATH = "/v1/spreads/kraken/BTC-USD/history"
_BARS = "/v1/coins/BTC/bars?interval=1m&start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z"

Gone = Callable[[], AbstractContextManager[None]]


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    """Move a folder away, and then back in the place of whatever has come there."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


@contextmanager
def unmounted(folder: Path) -> Iterator[None]:
    """Leave the empty folder that a mount was mounted on."""
    with moved(folder):
        folder.mkdir()
        yield
        assert not list(folder.iterdir())


@contextmanager
def bucket_deleted(s3: FailingS3) -> Iterator[None]:
    """Delete a bucket with all that is in it, and then make it anew."""
    whole = pafs.S3FileSystem(
        endpoint_override=s3.endpoint,
        region="us-east-1",
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )
    found = whole.get_file_info(pafs.FileSelector(s3.bucket, recursive=True))
    held = {}
    for file in found:
        if file.type == pafs.FileType.File:
            with whole.open_input_stream(file.path) as stream:
                held[file.path] = stream.read()
    whole.delete_dir(s3.bucket)
    try:
        yield
    finally:
        whole.create_dir(s3.bucket)
        for path, content in held.items():
            with whole.open_output_stream(path) as stream:
                stream.write(content)


@pytest.fixture(params=["moved", "unmounted", "bucket"])
def gone(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Settings, Gone]:
    """Return settings of an archive, and how it goes and comes back."""
    if request.param == "bucket":
        s3: FailingS3 = request.getfixturevalue("s3")
        return Settings(archive_url=s3.url, kafka_brokers="none"), lambda: bucket_deleted(s3)
    settings = Settings(data_dir=tmp_path, kafka_brokers="none")
    away = {"moved": moved, "unmounted": unmounted}[request.param]
    return settings, lambda: away(tmp_path / "archive")


def second(number: int) -> bytes:
    """Return the record of a second."""
    return encode_spreads(decode_spreads(spreads(number, (BTC,)).value))


def test_where_an_archive_has_been_nobody_reads_an_empty_one(
    gone: tuple[Settings, Gone],
) -> None:
    """Of no topic, also of one that it never held; what comes back is read as before."""
    settings, goes = gone
    store = open_store(settings)
    archive(store, "spreads", records_of([second(n) for n in range(5)]))
    now = 0.0
    index, reader = EntryIndex(store, lambda: now), ArchiveReader(store)
    backfill = BackfillReader(store)
    bars = Series("bars", "kraken:BTC-USD", "1m")
    assert index.of("spreads", COIN_PARTITION, "spreads").next_offset == 5
    assert index.of("bars", COIN_PARTITION, "bars").is_empty
    assert backfill.span(bars) is None
    with goes():
        now = 10.0
        for topic in ("spreads", "bars"):
            with pytest.raises(StoreError, match="that has been there"):
                index.of(topic, COIN_PARTITION, topic)
            with pytest.raises(OSError, match="that has been there"):
                list(reader.entries(topic))
        with pytest.raises(StoreError, match="that has been there"):
            backfill.span(bars)
        with pytest.raises(OSError, match="that has been there"):
            store.look()
        with pytest.raises(StoreError, match="expected an archive in"):
            existing_archive(settings)
    now = 20.0
    assert index.of("spreads", COIN_PARTITION, "spreads").next_offset == 5
    assert index.of("bars", COIN_PARTITION, "bars").is_empty
    existing_archive(settings)


def test_a_process_that_starts_while_it_is_gone_is_told_by_kafka(
    gone: tuple[Settings, Gone],
) -> None:
    settings, goes = gone
    archive(open_store(settings), "spreads", records_of([second(0)]))
    with goes():
        unknown = open_store(settings)
        assert EntryIndex(unknown).of("spreads", COIN_PARTITION, "spreads").is_empty
        store = open_store(settings, lambda: True)
        with pytest.raises(StoreError, match="that has been there"):
            EntryIndex(store).of("spreads", COIN_PARTITION, "spreads")
        with pytest.raises(OSError, match="that has been there"):
            store.begin()
        assert not store.is_there()


def test_a_new_archive_has_a_mark_and_one_without_is_known_by_its_entries(
    store_settings: Settings,
) -> None:
    """What backfills wrote is not one; another namespace has its own."""
    store = open_store(store_settings)
    store.write("manifest/backfill/bars/source=rest/exchange=kraken/BTC-USD/x.json", b"{}")
    assert not store.is_there()
    store.look()
    store.begin()
    assert store.is_there()
    assert [file.path for file in store.files("manifest", recursive=False)] == [
        "manifest/archive.json"
    ]
    trial = open_store(store_settings.model_copy(update={"namespace": "trial"}))
    assert not trial.is_there()
    archive(trial, "spreads", records_of([second(0)]))
    assert trial.is_there()
    assert trial.size("manifest/archive.json") is None


def test_one_begun_on_purpose_is_one(tmp_path: Path) -> None:
    store = open_store(Settings(data_dir=tmp_path), lambda: True)
    with pytest.raises(OSError, match="cointide archive create"):
        store.begin()
    assert store.create()
    assert not store.create()
    store.begin()


def test_a_writer_waits_for_an_archive_that_went_and_writes_nothing_elsewhere(
    gone: tuple[Settings, Gone],
) -> None:
    settings, goes = gone

    async def story() -> None:
        async with working(settings) as worked:
            made = records()
            worked.give(made[:200])
            await until(lambda: worked.records() > 100, "some chunks")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            with goes():
                worked.give(made[200:])
                await until(
                    lambda: worked.counted("cointide_archive_failures_total") >= 2, "two failures"
                )
                assert worked.worker.is_degraded
            await until(lambda: not worked.worker.is_degraded, "to go on")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            entries = worked.manifest.entries(TOPIC)
            assert entries[0].first_offset == 0
            assert sum(entry.records for entry in entries) == entries[-1].last_offset + 1 > 300

    asyncio.run(story())


def test_a_writer_that_starts_while_the_archive_is_gone_does_not_begin_anew(
    tmp_path: Path,
) -> None:
    """It is told that there has been one, waits, and goes on where that ends."""
    settings = Settings(data_dir=tmp_path)

    async def story() -> None:
        made = records()
        async with working(settings) as worked:
            worked.give(made[:200])
            await until(lambda: worked.records() > 100, "some chunks")
            await until(lambda: worked.counted("cointide_archive_waiting_bytes") == 0, "all")
            done = worked.records()
        with moved(tmp_path / "archive"):
            running = working(settings, was_written=lambda: True)
            worked = await running.__aenter__()
            assert worked.worker.is_degraded
            assert not (tmp_path / "archive").exists()
        await until(lambda: worked.log.committed == {(TOPIC, 0): done}, "to go on")
        await running.__aexit__(None, None, None)

    asyncio.run(story())


def test_a_gateway_says_that_it_is_gone(tmp_path: Path) -> None:
    """503 with the reason and `degraded`, also of a market of which nothing is archived."""
    store: Store = open_store(Settings(data_dir=tmp_path))
    archive(store, "spreads", records_of([second(n) for n in range(5)]))
    desk = HistoryDesk(store)
    desk.take(market(), spreads(20, (BTC,)))
    client = desk.caller()
    assert len(client.get(_PATH).json()["data"]) == 6
    with moved(tmp_path / "archive"):
        for path in (_PATH, _BARS):
            got = client.get(path)
            check_problem(got, 503, "history-away", path.partition("?")[0])
            assert str(tmp_path) in got.json()["detail"] or path == _PATH
        assert client.get("/v1/ready").json() == {"ready": True, "degraded": ["archive"]}
    assert len(client.get(_PATH).json()["data"]) == 6
    assert client.get("/v1/ready").json() == {"ready": True, "degraded": []}
