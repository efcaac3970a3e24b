"""Bars of captures in the archive: the oracle's, each once, however often they are backfilled."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agents.archive.store import Store, open_store
from models.archive.backfill import SOURCES, BackfilledDay
from models.records.bars import BarInterval
from models.settings import Settings
from services.backfill.captures import backfill_captures
from services.backfill.reader import BackfillReader
from services.backfill.store import BackfillStore
from services.cli import main
from services.history.source import HistorySource, Series
from tests.bars_in_memory import of_source
from tests.burst_log import REAL_CAPTURES
from tests.captures import day
from tests.oracle.bars import expected
from tests.oracle.ticks import ticks_of

SECOND = 1_000_000_000
FOREVER = 2**62
INTERVALS: tuple[BarInterval, ...] = ("1m", "5m", "1h", "1d")
Bars = dict[tuple[str, str, int], dict[str, Any]]
"""By market, interval and end in seconds."""


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an hour and a quarter of six markets, with holes."""
    path = tmp_path_factory.mktemp("captures") / "day.jsonl.zst"
    day.write(path, 1.25)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with an archive of their own."""
    return Settings(data_dir=tmp_path)


def backfill(settings: Settings, *paths: Path) -> int:
    """Backfill captures; return how many minutes were kept."""
    store = BackfillStore(open_store(settings))
    kept = backfill_captures(settings, store, paths, lambda _line: None)
    return sum(kept.minutes.values())


def bars_in(store: Store) -> Bars:
    """Return everything that is backfilled, as history reads it."""
    reader: HistorySource = BackfillReader(store)
    found: Bars = {}
    for source in SOURCES:
        for market in BackfillStore(store).markets(source):
            for interval in INTERVALS:
                before = -1
                series = Series("bars", market, interval)
                for batch in reader.rows(series, 0, FOREVER):
                    for row in batch.to_pylist():
                        end = round(row["as_of"].timestamp())
                        assert before < end
                        before = end
                        found[market, interval, end] = row
    return found


def oracle_bars(path: Path) -> Bars:
    """Return the bars of a capture in which anything was seen."""
    return _oracle_bars(path)


@cache
def _oracle_bars(path: Path) -> Bars:
    ticks = ticks_of([path], 4)
    found: Bars = {}
    for (exchange, partition), clock in ticks.final.items():
        trades, unseen = of_source(ticks, exchange, partition)
        for (topic, market, interval, end, _), row in expected(trades, unseen, clock, []).items():
            if topic == "bars" and (bar := row())["volume"] is not None:
                found[market, interval, end] = bar
    return found


def assert_alike(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """See that a bar is the oracle's but for its source."""
    for name in ("open", "high", "low", "close", "volume", "quote_volume", "vwap", "coverage"):
        one, other = found[name], wanted[name]
        alike = one == other or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        assert alike, (name, one, other)
    assert found["n"] == wanted["n"]
    for name in ("first_trade", "last_trade"):
        time = found[name]
        assert (None if time is None else time.value) == wanted[name]
    assert dict(found["reasons"]) == wanted["reasons"]
    assert found["source"] == "capture"


def test_bars_of_a_capture_are_the_oracles_and_marked_as_of_a_capture(
    settings: Settings, capture: Path
) -> None:
    """Minutes all of them; longer ones all that ended, and those under way at the end."""
    backfill(settings, capture)
    found, wanted = bars_in(open_store(settings)), oracle_bars(capture)
    assert len({market for market, _, _ in wanted}) == 6
    assert wanted.keys() <= found.keys()
    for key, bar in wanted.items():
        assert_alike(found[key], bar)
    under_way = found.keys() - wanted.keys()
    assert {interval for _, interval, _ in under_way} <= {"5m", "1h", "1d"}
    newest = {market: end for market, interval, end in sorted(wanted) if interval == "1m"}
    assert all(end > newest[market] for market, _, end in under_way)


@pytest.mark.parametrize("name", [each for each in REAL_CAPTURES if "spot_btc" in each])
def test_bars_of_real_captures_are_the_oracles(
    name: str, test_data: Path, settings: Settings
) -> None:
    """The others are shorter than a minute and have none."""
    assert backfill(settings, test_data / name)
    found = bars_in(open_store(settings))
    for key, bar in oracle_bars(test_data / name).items():
        assert_alike(found[key], bar)


def test_the_same_capture_again_changes_no_file_and_doubles_no_bar(
    settings: Settings, capture: Path
) -> None:
    first = backfill(settings, capture)
    store = open_store(settings)
    files = {file.path: store.read(file.path) for file in store.files("")}
    bars = bars_in(store)
    assert backfill(settings, capture) == first > 0
    assert {file.path: store.read(file.path) for file in store.files("")} == files
    assert bars_in(store) == bars
    assert all("source=capture" in path for path in files)


def test_of_a_minute_in_two_captures_the_one_that_saw_more_stays(
    settings: Settings, capture: Path, tmp_path: Path
) -> None:
    """The second capture is a part of the first one: it begins and ends within its minutes."""
    store = open_store(settings)
    backfill(settings, capture)
    whole = bars_in(store)
    part = tmp_path / "part.jsonl.zst"
    day.write(part, 0.25)
    backfill(settings, part)
    assert bars_in(store) == whole
    # The other way around every minute is seen better by the whole, or as well.
    other = settings.model_copy(update={"namespace": "other"})
    backfill(other, part)
    backfill(other, capture)
    assert bars_in(open_store(other)) == whole


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(
    settings: Settings, capture: Path
) -> None:
    """The entry names a file that goes before it is opened; a new entry is there by then."""
    backfill(settings, capture)
    store = open_store(settings)
    market = next(BackfillStore(store).markets("capture"))
    (number, *_) = BackfillStore(store).days("capture", market)
    place = BackfilledDay("capture", market, number)

    class Replaced(Store):
        """A store in which a file goes, once, between its entry and itself."""

        told = False

        def read(self, path: str) -> bytes:
            """Read what was there, then the truth."""
            content = super().read(path)
            if path.endswith(".json") and not self.told:
                self.told = True
                return content.replace(b".parquet", b"-gone.parquet")
            return content

    replaced = Replaced(store.filesystem, None, store.name)
    table = BackfillStore(replaced).table(place)
    assert replaced.told
    assert table == BackfillStore(store).table(place)


def test_the_span_of_a_market_goes_from_its_first_bar_to_its_last(
    settings: Settings, capture: Path
) -> None:
    backfill(settings, capture)
    store = open_store(settings)
    reader = BackfillReader(store)
    market = next(BackfillStore(store).markets("capture"))
    span = reader.span(Series("bars", market, "1m"))
    ends = [end for name, _, end in bars_in(store) if name == market]
    assert span is not None
    assert (span.start, span.end) == (min(ends) * SECOND, max(ends) * SECOND + 1)
    assert reader.span(Series("bars", "kraken:NONE-USD", "1m")) is None
    assert reader.span(Series("spreads", market)) is None


def test_the_command_says_what_it_would_keep_then_keeps_it(
    settings: Settings,
    capture: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(settings.data_dir))
    assert main(["backfill", "captures", str(capture), "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert "would be kept" in dry
    assert not open_store(settings).files("")
    assert main(["backfill", "captures", str(capture)]) == 0
    assert capsys.readouterr().out == dry.replace("would be kept", "kept")
    assert bars_in(open_store(settings)).keys() >= oracle_bars(capture).keys()
    missing = settings.data_dir / "none.jsonl"
    assert main(["backfill", "captures", str(missing)]) == 1
    assert "none.jsonl" in capsys.readouterr().err
