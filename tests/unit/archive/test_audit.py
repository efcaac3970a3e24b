"""The audit: what the line has published it finds right, what was changed it finds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest

from agents.archive.manifest import Manifest
from agents.archive.store import Store, open_store
from models.archive.chunks import ArchivedRecord
from models.archive.rendering import render
from models.records.bursts import Unseen
from models.records.spreads import Spreads, decode_spreads, encode_spreads
from models.settings import Settings
from services.archive.compaction import compact
from services.archive.reader import ArchiveReader
from services.audit.audit import Audited, audit
from services.cli import main
from tests.in_memory import (
    MADE_CAPTURES,
    SECOND,
    START,
    QuoteTick,
    TradeTick,
    append,
    bursts_of,
    captured,
    publish_all,
    quote_burst,
    settings_of,
    trade_burst,
)
from tests.unit.archive.made import START_MS, chunks_of

_START = 1_772_366_400 * 1_000_000_000
_END = _START + 7_200 * 1_000_000_000
_EXCHANGES = ["binance", "coinbase", "kraken"]
_PARTITIONS = 4


Logs = dict[tuple[str, int], list[bytes]]


@cache
def logs() -> Logs:
    """Return by topic and partition what a replay gives and what the line publishes of it."""
    paths = [path for path in MADE_CAPTURES if path.name != "jump.jsonl.zst"]
    return _with_spreads(append({}, bursts_of(captured(paths), settings_of(partitions=4))))


@cache
def long_logs() -> Logs:
    """Return the same of eleven minutes: a busy market with a gap, and one that is quiet.

    A worker that was taken for dead writes in the middle; nobody is to take it for true.
    """
    log: Logs = {("kraken_quotes", 2): [], ("kraken_trades", 2): []}
    for i in range(700):
        now, clock = START + i * SECOND, START + (i + 1) * SECOND
        ticks = [QuoteTick("kraken:A-USD", now, 10 + i % 13, 11 + i % 17)] if i % 7 == 0 else []
        if i == 0:
            ticks.append(QuoteTick("kraken:B-USD", now, 5.0, 5.5))
        gap = [Unseen("kraken:A-USD", now - 5 * SECOND, now, "gap")] if i == 500 else []
        log["kraken_quotes", 2].append(quote_burst(clock, ticks, gap, epoch=2))
        if i == 450:
            wrong = [QuoteTick("kraken:A-USD", now, 1.0, 2.0)]
            log["kraken_quotes", 2].append(quote_burst(clock, wrong, epoch=1))
        trades = [TradeTick("kraken:A-USD", now, 10.0 + i % 5)] if i % 3 == 0 else []
        log["kraken_trades", 2].append(trade_burst(clock, trades, epoch=2))
    return _with_spreads(log)


def _with_spreads(log: Logs) -> Logs:
    every = dict(log)
    for (_, partition), values in publish_all(log).items():
        every.setdefault(("spreads", partition), [])
        every["spreads", partition] = [*every["spreads", partition], *values]
    return every


def archive(
    folder: Path,
    change: Callable[[Spreads], Spreads | None] = lambda each: each,
    exchange: str = "",
    held: Callable[[], Logs] = logs,
) -> Store:
    """Archive all of it, or an exchange; `change` alters a published record, or leaves it out."""
    store = open_store(Settings(data_dir=folder))
    manifest = Manifest(store)
    for (topic, partition), values in held().items():
        if topic == "spreads":
            decoded = [decode_spreads(value) for value in values]
            changed = [change(each) for each in decoded if exchange in ("", each.exchange)]
            values = [encode_spreads(each) for each in changed if each is not None]
        elif not topic.startswith(exchange):
            continue
        records = [
            ArchivedRecord(offset, START_MS + offset * 200, None, value)
            for offset, value in enumerate(values)
        ]
        for chunk in chunks_of(topic, partition, records) if records else ():
            rendered = render(chunk)
            assert rendered.refused == []
            manifest.write_files(rendered)
            manifest.write_entry(rendered.entry)
    return store


def audited(store: Store, market: str | None = None) -> Audited:
    """Audit an hour and more."""
    return audit(ArchiveReader(store), _EXCHANGES, _PARTITIONS, _START, _END, market)


def test_what_the_line_publishes_is_what_the_archive_says(tmp_path: Path) -> None:
    """Every row of the committed captures, every audited figure, to 1e-9; compacted too."""
    store = archive(tmp_path)
    rows = sum(
        len(decode_spreads(value).markets)
        for (topic, _), values in logs().items()
        for value in values
        if topic == "spreads"
    )
    for _ in range(2):
        found = audited(store)
        assert found.missing == []
        assert found.extra == []
        assert {name: d for name, d in found.largest.items() if d > 1e-9} == {}
        assert found.is_good(1e-9)
        assert (found.rows, found.beyond) == (rows, 0)
        compact(store, ["spreads", "kraken_quotes"], START_MS / 1_000 + 36_000)


def test_an_audit_that_begins_in_the_middle_says_what_it_cannot_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In short slices and looking little back: nothing is missing, extra or different."""
    monkeypatch.setattr("services.audit.audit.SLICE", 60 * SECOND)
    monkeypatch.setattr("services.audit.audit.LOOKBACK", 20 * SECOND)
    store = archive(tmp_path, held=long_logs)
    start = START + 400 * SECOND
    found = audit(ArchiveReader(store), ["kraken"], _PARTITIONS, start, start + 400 * SECOND)
    assert (found.missing, found.extra) == ([], [])
    assert max(found.largest.values()) <= 1e-9
    # Of 301 seconds, at 400 to 700: the busy market in all, the quiet one in none.
    assert (found.rows, found.beyond) == (301, 301)


def nth(
    wanted: int, change: Callable[[Spreads], Spreads | None]
) -> Callable[[Spreads], Spreads | None]:
    """Change the wanted record of those that have a row with a spread."""
    seen = 0

    def changed(record: Spreads) -> Spreads | None:
        nonlocal seen
        seen += any(each is not None for each in record.spread)
        if seen != wanted:
            return record
        seen += 1
        return change(record)

    return changed


def test_a_changed_figure_a_missing_and_an_extra_row_are_found(tmp_path: Path) -> None:
    def wider(record: Spreads) -> Spreads:
        window = record.windows["1m"]
        return msgspec.structs.replace(
            record,
            windows=record.windows
            | {
                "1m": msgspec.structs.replace(
                    window, mean=[None if x is None else x * (1 + 1e-6) + 1e-6 for x in window.mean]
                )
            },
        )

    found = audited(archive(tmp_path / "changed", nth(40, wider), "binance"))
    assert [name for name, d in found.largest.items() if d > 1e-9] == ["windows_1m_mean"]
    assert not found.is_good(1e-9)
    found = audited(archive(tmp_path / "missing", nth(40, lambda _: None), "binance"))
    assert found.missing
    assert not found.is_good(1e-9)
    other = "binance:NOTHING-USDT"
    found = audited(
        archive(
            tmp_path / "extra",
            nth(40, lambda each: msgspec.structs.replace(each, markets=[other, *each.markets[1:]])),
            "binance",
        )
    )
    assert {market for market, _ in found.extra} == {other}
    assert len(found.missing) == len(found.extra) == 1


def test_the_command_says_by_its_status_whether_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path))
    archive(tmp_path, exchange="kraken")
    span = ["--start", "2026-03-01T12:00:00Z", "--end", "2026-03-01T14:00:00Z"]
    assert main(["audit", *span, "--market", "kraken:BTC-USD"]) == 0
    assert " 0 missing, 0 extra" in capsys.readouterr().out
    # Nothing to compare proves nothing.
    assert main(["audit", "--start", "2020-01-01", "--end", "2020-01-02"]) == 1
    with pytest.raises(SystemExit):
        main(["audit", "--start", "soon", "--end", "2020-01-02"])
