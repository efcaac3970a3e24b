"""Reading and compacting an archive: what comes out is what went in, before and after."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pandas as pd
import pyarrow as pa
import pytest

from agents.archive.manifest import Manifest
from agents.archive.store import ASIDE, Store, open_store
from models.archive.chunks import ArchivedRecord
from models.archive.manifest import EntryName, entry_name, in_force
from models.archive.rendering import archived_topics, render
from models.errors import InvariantError
from models.records.bursts import decode_quotes, encode_burst
from models.records.unpacked import quote_objects
from models.settings import Settings
from models.times import seconds_of
from services.archive.check import check
from services.archive.compaction import compact
from services.archive.reader import ArchiveReader
from services.cli import main
from tests.unit.archive.made import START_MS, captured_records, chunks_of, made_derived

_PAGE = Path(__file__).resolve().parent.parent.parent.parent / "docs" / "archive.md"
_TOPIC = "kraken_quotes"
_HOUR = 3600
_LATER = START_MS / 1_000 + 10 * _HOUR


def archive(
    store: Store, topic: str, partition: int, records: Sequence[ArchivedRecord], seconds: int = 20
) -> None:
    """Archive records as a worker does."""
    manifest = Manifest(store)
    for chunk in chunks_of(topic, partition, records, seconds):
        rendered = render(chunk)
        manifest.write_files(rendered)
        manifest.write_entry(rendered.entry)


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    """Return an archive of captures and derived records in a folder."""
    store = open_store(Settings(data_dir=tmp_path))
    for (topic, partition), records in (captured_records(every_ms=200) | made_derived()).items():
        if topic in (_TOPIC, "kraken_trades", "spreads"):
            archive(store, topic, partition, records)
    return store


def quotes() -> list[dict[str, Any]]:
    """Return every quote of the captures, as the public interface names it."""
    return [
        row
        for (topic, _), records in captured_records(every_ms=200).items()
        if topic == _TOPIC
        for record in records
        for row in quote_objects(decode_quotes(record.value))
    ]


def shown(rows: pa.RecordBatch | pa.Table) -> list[tuple[Any, ...]]:
    """Return market, time, bid and ask of rows."""
    return list(
        zip(
            rows["market"].to_pylist(),
            rows["time"].cast(pa.int64()).to_pylist(),
            rows["bid"].to_pylist(),
            rows["ask"].to_pylist(),
            strict=True,
        )
    )


def nanoseconds(row: dict[str, Any]) -> int:
    """Return the time of a public quote."""
    return pd.Timestamp(row["time"]).value


def values(reader: ArchiveReader) -> dict[tuple[int, int], bytes]:
    """Return every burst by partition and offset."""
    return {
        (each.burst.partition, each.offset): encode_burst(each.burst)
        for each in reader.bursts(_TOPIC)
    }


def expected_values() -> dict[tuple[int, int], bytes]:
    """Return every value of the captures by partition and offset."""
    return {
        (partition, record.offset): record.value or b""
        for (topic, partition), records in captured_records(every_ms=200).items()
        if topic == _TOPIC
        for record in records
    }


def test_ticks_of_a_market_between_two_times_are_those_of_the_bursts(folder: Store) -> None:
    reader = ArchiveReader(folder)
    every = quotes()
    times = sorted(nanoseconds(row) for row in every)
    start, end = times[len(times) // 4], times[3 * len(times) // 4]
    for market in [None, *sorted({row["market"] for row in every})]:
        expected = sorted(
            (row["market"], nanoseconds(row), row["bid"], row["ask"])
            for row in every
            if start <= nanoseconds(row) < end and market in (None, row["market"])
        )
        found = [
            row
            for batch in reader.ticks("quotes", ["kraken"], start, end, market)
            for row in shown(batch)
        ]
        assert sorted(found) == expected
    assert not list(reader.ticks("quotes", ["kraken"], 0, times[0]))


def test_compaction_changes_no_row_and_no_burst(folder: Store) -> None:
    reader = ArchiveReader(folder)
    names = reader.manifest.names(_TOPIC)
    assert values(reader) == expected_values()
    before = folder.files("")
    done = compact(folder, [_TOPIC, "spreads"], _LATER)
    assert 0 < done.into < done.merged
    assert done.deleted == 0, "expected the parts to stay for an hour"
    assert len(reader.manifest.names(_TOPIC)) < len(names)
    assert values(reader) == expected_values()
    assert {file.path for file in before} < {file.path for file in folder.files("")}
    for report in check(folder, [_TOPIC, "spreads"]):
        assert report.wrong == []
    assert compact(folder, [_TOPIC, "spreads"], _LATER).merged == 0


def test_merged_parts_go_an_hour_after_and_the_rest_stays(folder: Store) -> None:
    compact(folder, [_TOPIC], _LATER)
    newest = max(file.changed for file in folder.files(""))
    assert compact(folder, [_TOPIC], newest + _HOUR - 60).deleted == 0
    assert compact(folder, [_TOPIC], newest + _HOUR + 60).deleted > 0
    reader = ArchiveReader(folder)
    left = set(reader.manifest.all_names(_TOPIC))
    assert left == set(reader.manifest.names(_TOPIC))
    assert values(reader) == expected_values()
    assert all(report.wrong == [] for report in check(folder, [_TOPIC]))


def test_an_hour_that_is_not_over_is_left_alone(folder: Store) -> None:
    assert compact(folder, [_TOPIC], START_MS / 1_000).merged == 0


def test_a_writer_goes_on_after_a_compaction_where_it_was(folder: Store) -> None:
    manifest = Manifest(folder)
    before = {p: (up.offset, up.newest.start) for p, up in manifest.archived_up_to(_TOPIC).items()}
    compact(folder, [_TOPIC], _LATER)
    after = {p: (up.offset, up.newest.start) for p, up in manifest.archived_up_to(_TOPIC).items()}
    assert after == before


def test_files_without_an_entry_are_not_read_and_are_cleared(folder: Store) -> None:
    """A writer died between files and entry and was cut otherwise later; another while writing."""
    reader = ArchiveReader(folder)
    entry = next(reader.entries(_TOPIC))
    file = entry.file("quotes")
    assert file is not None
    orphan = file.path.replace(f"-{entry.last_offset:016}", f"-{entry.last_offset - 1:016}")
    folder.write(orphan, folder.read(file.path))
    future = file.path.replace(f"-{entry.last_offset:016}", f"-{10**9:016}")
    folder.write(future, folder.read(file.path))
    aside = f"{file.path}{ASIDE}"
    folder.write(aside, b"half")
    assert values(reader) == expected_values()
    compact(folder, [_TOPIC], folder.files("")[0].changed)
    assert folder.size(orphan) is None
    assert folder.size(future) is not None, "expected what is being written to stay"
    assert folder.size(aside) is not None, "expected what may be being written to stay"
    compact(folder, [_TOPIC], folder.files("")[0].changed + 2 * _HOUR)
    assert folder.size(aside) is None


def test_a_missing_file_and_a_gap_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path))
    store = open_store(Settings(data_dir=tmp_path))
    records = captured_records()[_TOPIC, 0]
    archive(store, _TOPIC, 0, records[:300])
    assert main(["archive", "files"]) == 0
    assert _TOPIC in capsys.readouterr().out
    archive(store, _TOPIC, 0, records[310:])
    entry = next(ArchiveReader(store).entries(_TOPIC))
    store.delete(entry.files[0].path)
    assert main(["archive", "files"]) == 1
    told = capsys.readouterr().err
    assert "offsets 300 to 309 are not there" in told
    assert f"{entry.files[0].path}: expected {entry.files[0].bytes} bytes, was none" in told


def test_the_status_says_from_when_until_when_how_much_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line a topic, also of those without anything, and one for each gap."""
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path))
    store = open_store(Settings(data_dir=tmp_path))
    records = captured_records()[_TOPIC, 0]
    archive(store, _TOPIC, 0, records[:300])
    archive(store, _TOPIC, 0, records[310:])
    assert main(["archive", "status"]) == 0
    where, head, *lines = capsys.readouterr().out.splitlines()
    assert where == f"archive {store.name}"
    told = {
        line.split()[0]: dict(zip(head.split(), line.split(), strict=True)) for line in lines[:-1]
    }
    assert told.keys() == set(archived_topics(Settings().exchanges))
    line = told[_TOPIC]
    files = [file for file in store.files("") if file.path.endswith(".parquet")]
    bursts = [decode_quotes(each.value or b"") for each in (*records[:300], *records[310:])]
    clocks = [burst.clock // 10**9 for burst in bursts]
    assert (line["partitions"], line["missing"]) == ("1", "10")
    assert line["records"] == str(len(bursts))
    assert line["rows"] == str(sum(len(list(quote_objects(burst))) for burst in bursts))
    assert line["files"] == str(len(files))
    assert line["bytes"] == str(sum(file.bytes for file in files))
    assert seconds_of(line["from"]) <= min(clocks)
    assert seconds_of(line["until"]) == max(clocks)
    assert told["bars"]["from"] == told["bars"]["until"] == "-"
    assert lines[-1].startswith(f"{_TOPIC} 0: offsets 300 to 309 are missing, between 20")


def test_a_command_without_an_archive_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than that there is nothing; `create` makes an empty one."""
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path))
    for what in ("status", "files", "compact"):
        assert main(["archive", what]) != 0
        assert f"expected an archive in {tmp_path}" in capsys.readouterr().err
    for told in ("an empty archive", "there is an archive already"):
        assert main(["archive", "create"]) == 0
        assert told in capsys.readouterr().out
    assert main(["archive", "status"]) == 0


def test_an_entry_within_another_does_not_count_and_one_across_is_refused() -> None:
    whole, part, other = EntryName(0, 0, 9), EntryName(0, 3, 9), EntryName(1, 0, 3)
    assert in_force([part, other, whole]) == [whole, other]
    with pytest.raises(InvariantError):
        in_force([whole, EntryName(0, 5, 12)])
    assert entry_name("nothing.json") is None


def test_an_entry_of_another_version_is_refused(folder: Store) -> None:
    reader = ArchiveReader(folder)
    entry = next(reader.entries(_TOPIC))
    folder.write(entry.path, msgspec.json.encode(msgspec.structs.replace(entry, version=2)))
    with pytest.raises(InvariantError, match="version 1, was 2"):
        list(reader.entries(_TOPIC))


def snippets() -> dict[str, str]:
    """Return the Python of the page by the heading before it."""
    found = re.findall(
        r"\*\*(pandas|DuckDB)\.\*\*.*?```python\n(.*?)```", _PAGE.read_text(), re.DOTALL
    )
    return dict(found)


@pytest.mark.parametrize("tool", ["pandas", "DuckDB"])
def test_the_snippets_of_the_page_read_the_archive(
    folder: Store, tmp_path: Path, tool: str
) -> None:
    """They run as they stand, but for the path, and find every quote of a market, once."""
    compact(folder, [_TOPIC, "spreads"], _LATER)
    names: dict[str, Any] = {"duckdb": duckdb, "pd": pd}
    code = snippets()[tool].replace(".data/archive", str(tmp_path / "archive"))
    exec(compile(code, str(_PAGE), "exec"), names)
    expected = sorted(
        (nanoseconds(row), row["bid"]) for row in quotes() if row["market"] == "kraken:BTC-USD"
    )
    assert expected
    found = names["quotes"]
    times = pd.to_datetime(found["time"], utc=True).astype("datetime64[ns, UTC]").astype("int64")
    assert sorted(zip(times, found["bid"], strict=True)) == expected
