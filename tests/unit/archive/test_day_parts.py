"""Of a long manifest few objects are read, and what is found is what reading all would find."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.archive.manifest import Manifest
from agents.archive.store import Store, open_store
from models.archive.day_parts import PartName, Section, name_of_part, part_name, sections
from models.archive.manifest import Entry
from models.partition import partition_of
from models.settings import Settings
from services.archive.compaction import compact
from services.archive.reader import ArchiveReader
from services.audit.snapshot import Snapshot
from services.history.entries import ArchivedChunk, PartitionChunks
from services.history.parquet import ParquetHistory
from services.history.source import Series, Span
from tests.unit.archive.made_days import DAY_START, HOUR, SECOND, hour_entry, real_hour
from tests.unit.gateway.made import BTC

_DAYS = 12
_PARTITIONS = 2
_MINE = partition_of("BTC", _PARTITIONS)
_NOW = DAY_START + (_DAYS + 1) * 86_400
_MINUTE = 60 * SECOND


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the objects of the manifest that are read from now on."""
    paths: list[str] = []
    original = Store.read

    def listed(self: Store, path: str) -> bytes:
        paths.append(path)
        return original(self, path)

    monkeypatch.setattr(Store, "read", listed)
    return paths


def long_archive(store: Store, hours: int, wanted: int) -> None:
    """Archive so many hours of two partitions; the wanted hour and the newest have files."""
    manifest = Manifest(store)
    for partition in range(_PARTITIONS):
        for number in range(hours):
            entry = hour_entry(partition, number)
            if partition == _MINE and number in (wanted, hours - 1):
                entry = real_hour(store, entry)
            manifest.write_entry(entry)


def test_five_minutes_of_a_long_archive_read_a_handful_of_objects(
    tmp_path: Path, read: list[str]
) -> None:
    """The first request the parts of the first day and the wanted one; a second one nothing.

    Before the first compaction, of an archive that older versions wrote, every entry of the
    partition is read, once.
    """
    store = open_store(Settings(data_dir=tmp_path))
    hours, wanted = _DAYS * 24 - 5, 24 * 7 + 3
    long_archive(store, hours, wanted)
    series = Series("spreads", BTC)
    start = (DAY_START + wanted * HOUR) * SECOND
    found = []
    for most in (hours, 3):
        read.clear()
        history = ParquetHistory(store, _PARTITIONS)
        for _ in range(2):
            batches = list(history.rows(series, start, start + 5 * _MINUTE))
            found.append([str(each) for batch in batches for each in batch["as_of"].to_pylist()])
            assert history.lost(series, start, start + 5 * _MINUTE) == []
            span = history.span(series)
            assert span == Span(DAY_START * SECOND, (DAY_START + hours * HOUR - 1) * SECOND + 1)
            assert 0 < len(read) <= most
            most = len(read)
        compact(store, ["spreads"], _NOW)
    assert len(found[0]) == 119
    assert found[1:] == found[:1] * 3


def test_audits_and_compactions_read_no_more_than_they_need(
    tmp_path: Path, read: list[str]
) -> None:
    store = open_store(Settings(data_dir=tmp_path))
    long_archive(store, 24 * 6, 24)
    compact(store, ["spreads"], _NOW)
    start = (DAY_START + 24 * HOUR) * SECOND
    within = start, start + _MINUTE
    for archive in (ArchiveReader(store), Snapshot(store)):
        read.clear()
        found = list(
            archive.of_partition("spreads", None, *within)
            if isinstance(archive, Snapshot)
            else archive.entries("spreads", *within)
        )
        assert [entry.start for entry in found] == [DAY_START + 24 * HOUR] * _PARTITIONS
        # A part and the newest entry of each.
        assert len(read) == 2 * _PARTITIONS
    read.clear()
    compact(store, ["spreads"], _NOW)
    assert len(read) == _PARTITIONS


def test_a_part_grows_with_its_day_and_nothing_is_told_otherwise(store: Store) -> None:
    """The newest hour stays as it is; each compaction leaves one part a day and partition."""
    manifest = Manifest(store)
    told: list[Entry] = []
    for number in range(30):
        told.append(hour_entry(0, number))
        manifest.write_entry(told[-1])
        if number % 7 == 6:
            compact(store, ["spreads"], _NOW)
            assert manifest.entries("spreads") == told
            parts = manifest.part_names("spreads")
            assert len(parts) == -(-number // 24)
            assert {each.date for each in parts} <= {"2026-03-01", "2026-03-02"}
            assert [len(each.names) for each in manifest.sections("spreads") if not each.part] == [
                1
            ]


def test_a_part_that_is_gone_since_it_was_listed_is_no_loss(tmp_path: Path) -> None:
    """It was replaced by a larger one: its entries are read one by one."""
    store = open_store(Settings(data_dir=tmp_path))
    manifest = Manifest(store)
    told = [hour_entry(0, number) for number in range(5)]
    for entry in told:
        manifest.write_entry(entry)
    manifest.write_part("spreads", told[:3])
    listed = manifest.sections("spreads")
    assert [len(each.names) for each in listed] == [3, 1, 1]
    for name in manifest.part_names("spreads"):
        manifest.delete_part("spreads", name)
    assert [e for each in listed for e in manifest.entries_of("spreads", each)] == told


def test_the_name_of_a_part_says_what_is_in_it() -> None:
    name = name_of_part([hour_entry(3, number) for number in range(24)])
    assert name is not None
    assert part_name(name.file_name) == name
    assert (name.partition, name.date, name.begins_after) == (3, "2026-03-01", 0)
    assert (name.first_offset, name.last_offset) == (0, 24 * HOUR - 1)
    assert part_name("p003-0000000000000000-0000000000000001.json") is None


@st.composite
def manifests(draw: st.DrawFn) -> tuple[list[Entry], list[PartName], int]:
    """Return entries with times in any order, some gaps, parts of any runs of them, and a time.

    That lies at or beside the bounds of an entry.
    """
    entries: list[Entry] = []
    offset = 0
    for _ in range(draw(st.integers(1, 8))):
        begins_after = offset + draw(st.sampled_from([0, 0, 0, 5]))
        last = begins_after + draw(st.integers(0, 3))
        times = draw(st.none() | st.tuples(st.integers(-2, 9), st.integers(0, 4)))
        least, greatest = (None, None) if times is None else (times[0], times[0] + times[1])
        made = msgspec.structs.replace(
            hour_entry(0, 0),
            first_offset=begins_after,
            last_offset=last,
            begins_after=begins_after,
            least_time=least,
            greatest_time=greatest,
        )
        entries.append(made)
        offset = last + 1
    starts = st.integers(0, len(entries) - 1)
    runs = draw(st.lists(st.tuples(starts, st.integers(1, 6)), min_size=1, max_size=4))
    parts = [name_of_part(entries[at : at + count]) for at, count in runs]
    bounds = {0, *(e.least_time for e in entries), *(e.greatest_time for e in entries)} - {None}
    start = draw(st.sampled_from(sorted(time or 0 for time in bounds))) + draw(st.integers(-1, 1))
    return entries, [part for part in parts if part is not None], start


@given(manifests(), st.integers(1, 5))
def test_with_parts_of_any_runs_the_same_is_found_as_without(
    made: tuple[list[Entry], list[PartName], int], length: int
) -> None:
    """Whatever parts there are, and in whatever order of times entries come."""
    entries, parts, start = made
    chunks = {
        e.entry_name: ArchivedChunk(
            e.entry_name, e.begins_after, e.least_time, e.greatest_time, None
        )
        for e in entries
    }

    def of(section: Section) -> list[ArchivedChunk]:
        return [chunks[name] for name in section.names]

    names = list(chunks)
    found = PartitionChunks(sections(names, parts), of)
    plain = PartitionChunks(sections(names, []), of)
    end = start + length
    assert list(found.newest_first()) == list(chunks.values())[::-1]
    assert found.touching(start, end) == [c for c in chunks.values() if c.touches(start, end)]
    assert found.lost(start, end) == plain.lost(start, end)
    assert found.begins() == plain.begins()
    assert found.until() == plain.until()
    assert found.next_offset == plain.next_offset == entries[-1].last_offset + 1
