"""The audit: what the line has published it finds right, what was changed it finds."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from agents.archive.store import Store
from models.records.bars import decode_bars, decode_indicators, encode_bars
from models.records.correlations import (
    CorrelationBlock,
    decode_block,
    decode_returns,
    encode_block,
    encode_returns,
)
from models.records.spreads import Spreads, decode_spreads, encode_spreads
from models.times import seconds_of
from services.archive.compaction import compact
from services.audit import bars, indicators, spreads
from services.audit.audit import AUDITS, Wanted, audit
from services.audit.found import Found, TopicFound
from services.audit.snapshot import Snapshot
from services.cli import main
from tests.made_bursts import SECOND, START
from tests.unit.archive.audited import (
    BTC,
    CORRELATED_S,
    Logs,
    archived,
    bars_logs,
    correlation_logs,
    logs,
    long_logs,
    story,
)
from tests.unit.archive.made import START_MS

_START = 1_772_366_400 * SECOND
_END = _START + 7_200 * SECOND
_PARTITIONS = 8
_DAY = START // (86_400 * SECOND) * 86_400 * SECOND

Change = Callable[[Any], Any]


def changed(held: Logs, topic: str, change: Callable[[int, bytes], bytes | None]) -> Logs:
    """Return records of which those of one topic are altered, or left out."""
    number = 0
    altered: Logs = {}
    for (name, partition), values in held.items():
        kept: list[bytes] = []
        for value in values:
            each: bytes | None = value
            if name == topic:
                each, number = change(number, value), number + 1
            kept += [] if each is None else [each]
        altered[name, partition] = kept
    return altered


def audited(store: Store, topics: Collection[str] = tuple(AUDITS), **other: Any) -> Found:
    """Audit what the logs here hold."""
    given: dict[str, Any] = {"start": _START, "end": _END, "exchanges": ["kraken"]} | other
    return audit(Snapshot(store), Wanted(partitions=_PARTITIONS, **given), topics)


def of_story(store: Store) -> TopicFound:
    """Audit the spreads of the story."""
    return audited(store, start=START, end=START + 700 * SECOND)["spreads"]


def of_bars(store: Store) -> Found:
    """Audit the bars' hours."""
    return audited(store, start=_DAY - 7_200 * SECOND, end=_DAY + 20_000 * SECOND)


def of_correlations(store: Store) -> Found:
    """Audit the correlations' minutes."""
    return audited(
        store,
        ("returns", "correlations"),
        start=START,
        end=START + CORRELATED_S * SECOND,
        many_coins=50,
    )


def no_fault(found: TopicFound) -> bool:
    """Return whether nothing is missing, too much or different."""
    assert differing(found) == {}
    assert {name: each.at for name, each in found.places().items() if each.count} == {}
    return True


def differing(found: TopicFound) -> dict[str, int]:
    """Return how many rows differ, by figure."""
    return {name: each.differing for name, each in found.figures.items() if each.differing}


def test_what_the_line_publishes_is_what_the_archive_says(tmp_path: Path) -> None:
    """Every row of the committed captures, every figure, to 1e-9; compacted too."""
    store = archived(tmp_path, logs())
    rows = sum(
        len(decode_spreads(value).markets)
        for (topic, _), values in logs().items()
        for value in values
        if topic == "spreads"
    )
    for _ in range(2):
        found = audited(store, exchanges=["binance", "coinbase", "kraken"])["spreads"]
        assert no_fault(found)
        assert found.is_good
        assert (found.rows, found.beyond) == (rows, 0)
        assert {each.rows for each in found.figures.values()} == {rows}
        compact(store, ["spreads", "kraken_quotes"], START_MS / 1_000 + 36_000)


def test_a_busy_market_has_every_figure(tmp_path: Path) -> None:
    """None of the figures that are compared is null throughout."""
    found = of_story(archived(tmp_path, story()))
    assert found.is_good
    assert set(found.figures) == set(spreads.FIGURES)
    rows = [decode_spreads(value) for value in spreads_of(story())]
    told = {name for row in rows for name in spreads.FIGURES if _value(row, name) is not None}
    assert told == set(spreads.FIGURES)


def test_an_audit_that_begins_in_the_middle_says_what_it_cannot_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In short slices and looking little back: nothing is missing, extra or different."""
    monkeypatch.setattr("services.audit.audit.SLICE", 60 * SECOND)
    monkeypatch.setattr("services.audit.audit_spreads.LOOKBACK", -1_500 * SECOND)
    store = archived(tmp_path, long_logs())
    start = START + 400 * SECOND
    found = audited(store, start=start, end=start + 400 * SECOND)["spreads"]
    assert no_fault(found)
    # Of 301 seconds, at 400 to 700: the busy market in all, the quiet one in none.
    assert (found.rows, found.beyond) == (301, 301)
    # Of the half hour before nothing is held.
    assert found.figures["z"].rows == 0
    assert found.figures["z"].beyond == found.figures["mid"].rows == found.rows


def test_slices_are_joined_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes that last, intervals that kill and baselines reach over many slices."""
    monkeypatch.setattr("services.audit.audit.SLICE", 150 * SECOND)
    for number, held in enumerate((story(), long_logs())):
        found = of_story(archived(tmp_path / str(number), held))
        assert found.is_good
        assert found.beyond == 0


def spreads_of(held: Logs) -> list[bytes]:
    """Return the published spreads."""
    return [v for (topic, _), values in held.items() if topic == "spreads" for v in values]


def _value(record: Spreads, column: str) -> float | bool | None:
    if column.startswith("windows_"):
        _, label, name = column.split("_", 2)
        return cast("list[float | None]", getattr(record.windows[label], name))[0]
    return cast("list[float | None]", getattr(record, column))[0]


def _with_value(record: Spreads, column: str, value: Any) -> Spreads:
    if column.startswith("windows_"):
        _, label, name = column.split("_", 2)
        window = msgspec.structs.replace(record.windows[label], **{name: [value]})
        return msgspec.structs.replace(record, windows=record.windows | {label: window})
    return msgspec.structs.replace(record, **{column: [value]})


def test_each_figure_of_a_row_is_compared(tmp_path: Path) -> None:
    """One row for each figure is published wrong, and where is told."""
    wrong: dict[str, str] = {}
    todo = list(spreads.FIGURES)

    def change(number: int, value: bytes) -> bytes:
        record = decode_spreads(value)
        name = next((each for each in todo if _value(record, each) is not None), None)
        if name is None or number < 400:
            return value
        todo.remove(name)
        was = _value(record, name)
        assert was is not None
        is_count = name.endswith(("_n", "_n")) or isinstance(was, int)
        now = not was if isinstance(was, bool) else was + 1 if is_count else was * (1 + 3e-9) + 3e-9
        wrong[name] = record.as_of
        return encode_spreads(_with_value(record, name, now))

    found = of_story(archived(tmp_path, changed(story(), "spreads", change)))
    assert todo == []
    assert differing(found) == dict.fromkeys(spreads.FIGURES, 1)
    for name, figure in found.figures.items():
        assert (figure.market, figure.as_of) == (BTC, seconds_of(wrong[name]) * SECOND)
    assert not found.is_good


def test_a_null_in_the_place_of_a_value_is_a_difference(tmp_path: Path) -> None:
    def change(number: int, value: bytes) -> bytes:
        record = decode_spreads(value)
        return encode_spreads(_with_value(record, "z", None)) if number == 500 else value

    found = of_story(archived(tmp_path, changed(story(), "spreads", change)))
    assert found.figures["z"].largest == np.inf
    assert found.document()["figures"]["z"]["largest_difference"] is None  # type: ignore[index]


def test_a_missing_and_an_extra_row_are_found(tmp_path: Path) -> None:
    held = changed(story(), "spreads", lambda i, value: None if i == 500 else value)
    found = of_story(archived(tmp_path / "missing", held))
    assert (found.missing.count, found.extra.count) == (1, 0)
    assert found.missing.at == [
        (BTC, seconds_of(decode_spreads(spreads_of(story())[500]).as_of) * SECOND)
    ]
    other = "kraken:BTC-EUR"

    def rename(number: int, value: bytes) -> bytes:
        record = msgspec.structs.replace(decode_spreads(value), markets=[other])
        return encode_spreads(record) if number == 500 else value

    found = of_story(archived(tmp_path / "extra", changed(story(), "spreads", rename)))
    assert [market for market, _ in found.extra.at] == [other]
    assert (found.missing.count, found.extra.count) == (1, 1)
    assert not found.is_good


def test_bars_and_indicators_are_what_trades_and_bars_say(tmp_path: Path) -> None:
    """Of what came from candles the longer bars alone; indicators over them are compared too."""
    store = archived(tmp_path, bars_logs())
    found = of_bars(store)
    # Of a market that the archived bars do not name there is nothing to say.
    other = audited(store, start=_DAY, end=_DAY + 60 * SECOND, market="kraken:NO-USD")
    assert {topic: each.rows for topic, each in other.items()} == {"bars": 0, "indicators": 0}
    for topic in ("bars", "indicators"):
        assert (found[topic].missing.count, found[topic].extra.count, differing(found[topic])) == (
            0,
            0,
            {},
        )
        assert found[topic].is_good
    assert found["bars"].beyond > 120
    assert found["bars"].figures["source"].rows > 50
    assert found["bars"].rows > 300
    assert found["indicators"].rows > 300
    assert found["indicators"].beyond == 0


def _first_told(record: Any, todo: list[str]) -> str | None:
    return next((name for name in todo if getattr(record, name)[0] is not None), None)


@pytest.mark.parametrize(
    ("topic", "interval"), [("bars", "1m"), ("bars", "5m"), ("indicators", "1m")]
)
def test_each_figure_of_bars_and_indicators_is_compared(
    topic: str, interval: str, tmp_path: Path
) -> None:
    """One row for each figure is published wrong; one is not published, one is too much."""
    every = [*indicators.FIGURES] if topic == "indicators" else [*bars.FIGURES, *bars.TIMES]
    todo = list(every)
    decode: Callable[[bytes], Any] = decode_bars if topic == "bars" else decode_indicators
    dropped: list[str] = []

    def change(_: int, value: bytes) -> bytes | None:
        record = decode(value)
        is_right = record.interval != interval or record.markets[0] != "kraken:BTC-EUR"
        if is_right or getattr(record, "source")[0] != "live":  # noqa: B009 - of both structs
            return value
        if seconds_of(record.as_of) * SECOND < _DAY + 110 * 60 * SECOND:
            return value
        name = _first_told(record, todo)
        if name is None:
            if dropped:
                return value
            dropped.append(record.as_of)
            return None
        todo.remove(name)
        first, *others = getattr(record, name)
        now = first + 1 if isinstance(first, int) else first * (1 + 3e-9) + 3e-9
        return encode_bars(msgspec.structs.replace(record, **{name: [now, *others]}))

    found = of_bars(archived(tmp_path, changed(bars_logs(), topic, change)))[topic]
    assert todo == []
    assert set(differing(found)) >= set(every)
    assert all(found.figures[name].differing >= 1 for name in every)
    assert found.missing.count >= 1
    assert not found.is_good


def test_a_bar_of_a_market_that_never_traded_is_too_much(tmp_path: Path) -> None:
    other = "kraken:BTC-GBP"

    def change(number: int, value: bytes) -> bytes:
        record = decode_bars(value)
        if number != 300:
            return value
        return encode_bars(msgspec.structs.replace(record, markets=[other, *record.markets[1:]]))

    found = of_bars(archived(tmp_path, changed(bars_logs(), "bars", change)))["bars"]
    assert other in {market.split()[0] for market, _ in found.extra.at}


def test_returns_and_correlations_are_what_mids_and_returns_say(tmp_path: Path) -> None:
    """Hayashi-Yoshida's matrices follow from quotes, which are not archived here."""
    found = of_correlations(archived(tmp_path, correlation_logs()))
    for topic in ("returns", "correlations"):
        assert (found[topic].missing.count, found[topic].extra.count, differing(found[topic])) == (
            0,
            0,
            {},
        )
        assert found[topic].is_good
    assert found["returns"].rows > 2_000
    assert found["returns"].figures["log_return"].beyond > 0
    assert found["correlations"].rows >= 3 * 3 * 15
    assert found["correlations"].beyond >= 3 * 15


def test_each_figure_of_returns_is_compared(tmp_path: Path) -> None:
    """Of one table a step for each figure; what follows from a wrong price differs as well."""
    todo = ["log_return", "venues", "quote_currency", "price"]

    def change(number: int, value: bytes) -> bytes:
        record = decode_returns(value)
        if number < 40 or number % 10 or not todo or record.log_return[0] is None:
            return value
        name = todo.pop(0)
        column = list(getattr(record, name))
        column[0] = "EUR" if name == "quote_currency" else column[0] + 1
        return encode_returns(msgspec.structs.replace(record, **{name: column}))

    held = changed(correlation_logs(), "returns", change)
    found = of_correlations(archived(tmp_path, held))["returns"]
    assert todo == []
    differ = differing(found)
    assert (differ["price"], differ["venues"], differ["quote_currency"]) == (1, 1, 1)
    assert differ["log_return"] >= 2
    assert not found.is_good


def _at_five_minutes(block: CorrelationBlock) -> bool:
    return block.table.startswith("15m") and seconds_of(block.as_of) % 300 == 0


def test_each_figure_of_correlations_is_compared(tmp_path: Path) -> None:
    """The last matrix of a table differs in one cell for each."""
    blocks = [decode_block(v) for v in correlation_logs()["correlations", 0]]
    last = max(block.as_of for block in blocks if _at_five_minutes(block))
    cells: dict[str, tuple[int, int]] = {}

    def change(_: int, value: bytes) -> bytes:
        block = decode_block(value)
        if not _at_five_minutes(block) or block.as_of != last:
            return value
        told = np.argwhere(np.triu(np.isfinite(block.column("matrix")), 1))
        changes: dict[str, bytes] = {}
        for name, cell in zip(("matrix", "n", "n_effective"), told.tolist(), strict=False):
            column = block.column(name).copy()
            cells[name] = (cell[0], cell[1])
            column[cells[name]] += 1 if name == "n" else 1e-7
            changes[name] = column.tobytes()
        return encode_block(msgspec.structs.replace(block, **changes))

    held = changed(correlation_logs(), "correlations", change)
    found = of_correlations(archived(tmp_path, held))["correlations"]
    assert len(set(cells.values())) == 3
    assert differing(found) == {"correlation": 1, "n": 1, "n_effective": 1}
    assert {figure.as_of for figure in found.figures.values()} == {seconds_of(last) * SECOND}
    assert all("/" in str(figure.market) for figure in found.figures.values())


def test_a_step_and_a_matrix_that_are_missing_are_found(tmp_path: Path) -> None:
    held = changed(correlation_logs(), "returns", lambda i, v: None if i == 50 else v)
    assert of_correlations(archived(tmp_path / "step", held))["returns"].missing.count == 1
    blocks = [decode_block(v) for v in correlation_logs()["correlations", 0]]
    place = [i for i, block in enumerate(blocks) if _at_five_minutes(block)][1]
    held = changed(correlation_logs(), "correlations", lambda i, v: None if i == place else v)
    assert of_correlations(archived(tmp_path / "matrix", held))["correlations"].missing.count == 1


def test_the_command_says_by_its_status_whether_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path))
    archived(tmp_path, story())
    span = ["--start", "2027-01-15T08:00:00Z", "--end", "2027-01-15T09:00:00Z"]
    assert main(["audit", *span, "--market", BTC]) == 0
    assert " 0 missing, 0 extra" in capsys.readouterr().out
    assert main(["audit", *span, "--topics", "spreads", "--format", "json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["good"]
    assert set(document["topics"]["spreads"]["figures"]) == set(spreads.FIGURES)
    # Nothing to compare proves nothing.
    assert main(["audit", "--start", "2020-01-01", "--end", "2020-01-02"]) == 1
    assert main(["audit", "--start", "2020-01-02", "--end", "2020-01-02"]) == 2
    capsys.readouterr()
    for wrong in ("soon", "now", "nat", "3000-01-01"):
        with pytest.raises(SystemExit):
            main(["audit", "--start", wrong, "--end", "2020-01-02"])
        assert f"expected an ISO-8601 time, was '{wrong}'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["audit", *span, "--topics", "closes"])
