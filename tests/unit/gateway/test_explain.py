"""`/v1/explain/spreads`: what it works out is what was published, from the archive and the log."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.archive.manifest import Manifest
from agents.archive.store import Store, open_store
from agents.runtime.topic_reader import ReadFrom, TopicRecord
from models.archive.chunks import ArchivedRecord
from models.archive.derived_tables import derived_rows, derived_table
from models.archive.rendering import render
from models.settings import Settings
from models.times import iso_seconds
from services.gateway.documentation.explain_schemas import SpreadExplanation
from services.gateway.explain.explanation import explanation
from services.gateway.explain.past import MarketPasts
from tests.made_bursts import START
from tests.unit.archive.audited import PARTITION, Logs, logs, story
from tests.unit.archive.made import START_MS, chunks_of
from tests.unit.gateway.made import BTC, market
from tests.unit.history.made import HistoryDesk, history_in

SECOND = 1_000_000_000
WINDOWS = ("15s", "1m", "5m")


def archived(folder: Path, held: Logs, share: float = 1.0) -> Store:
    """Archive the first part of every tick topic, and all of `spreads`."""
    store = open_store(Settings(data_dir=folder))
    manifest = Manifest(store)
    for (topic, partition), values in held.items():
        count = len(values) if topic == "spreads" else round(share * len(values))
        records = [
            ArchivedRecord(offset, START_MS + offset * 200, None, value)
            for offset, value in enumerate(values[:count])
        ]
        for chunk in chunks_of(topic, partition, records) if records else ():
            rendered = render(chunk)
            manifest.write_files(rendered)
            manifest.write_entry(rendered.entry)
    return store


def log_of(held: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log be these records."""

    class InMemory:
        def __init__(self, *_: object) -> None:
            pass

        def __enter__(self) -> InMemory:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, places: Iterable[ReadFrom]) -> Iterator[TopicRecord]:
            for place in places:
                values = held.get((place.topic, place.partition), [])
                for offset in range(place.offset, len(values)):
                    yield TopicRecord(
                        place.topic, place.partition, offset, None, values[offset], START_MS
                    )

    monkeypatch.setattr("services.gateway.explain.past.TopicReader", InMemory)


def rows_of(held: Logs) -> list[dict[str, Any]]:
    """Return every published row by the archive's columns."""
    return [
        row
        for (topic, _), values in held.items()
        if topic == "spreads"
        for offset, value in enumerate(values)
        for row in derived_table(topic, [derived_rows(topic, offset, value)]).to_pylist()
    ]


def explained(pasts: MarketPasts, row: dict[str, Any], window: str) -> SpreadExplanation:
    """Return the explanation of a row."""
    at = round(row["as_of"].timestamp()) * SECOND
    held = pasts.of(row["market"], at)
    past = held.past()
    assert past is not None
    return explanation(held, past, row, at, window, 50)


def expect_right(found: SpreadExplanation, window: str) -> None:
    """Expect every figure to be what was published, and the lists to give the sums."""
    wrong = {name: each for name, each in found.figures.items() if (each.difference or 0) > 1e-9}
    assert found.agrees, wrong or found.figures
    assert found.not_held == []
    mean = found.figures[f"windows.{window}.mean"]
    if found.quotes_total == len(found.quotes) and mean.published is not None:
        total = sum(each.seconds * (each.spread or 0.0) for each in found.quotes)
        assert total == pytest.approx(mean.inputs["sum"])
        assert sum(each.seconds for each in found.quotes) == pytest.approx(mean.inputs["seconds"])
    n = sum(each.counted for each in found.quotes)
    assert n <= (found.figures[f"windows.{window}.n"].published or 0)
    costs = [each.effective_bps for each in found.trades if "effective_bps" in each.counts_in]
    effective = found.figures["effective_bps"]
    if found.trades_total == len(found.trades) and effective.published is not None:
        assert sum(each or 0.0 for each in costs) / len(costs) == pytest.approx(effective.published)


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0], ids=["log", "both", "archive"])
def test_every_figure_of_chosen_rows_is_what_was_published(
    share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all committed captures, wherever their ticks are read; every window."""
    held = logs()
    log_of(held, monkeypatch)
    settings = Settings(data_dir=tmp_path, partitions=4, source="none")
    pasts = MarketPasts(archived(tmp_path, held, share), None if share == 1 else "here", settings)
    rows = random.Random(7).sample(rows_of(held), 12)
    places: set[str] = set()
    for i, row in enumerate(rows):
        window = WINDOWS[i % 3]
        found = explained(pasts, row, window)
        expect_right(found, window)
        places.update(found.held_in)
    assert places == {0.0: {"log"}, 0.6: {"archive", "log"}, 1.0: {"archive"}}[share]


def test_figures_of_a_market_with_a_baseline_are_worked_out(tmp_path: Path) -> None:
    held = story()
    pasts = MarketPasts(archived(tmp_path, held), None, Settings(data_dir=tmp_path))
    rows = [row for row in rows_of(held) if row["z"] is not None]
    for row in random.Random(3).sample(rows, 9):
        found = explained(pasts, row, "1m")
        expect_right(found, "1m")
        assert len(found.panes) == 180
        assert found.figures["half_life_n"].published == row["half_life_n"]
    dead = next(row for row in rows if row["as_of"].timestamp() == START // SECOND + 503)
    assert {each.reason for each in explained(pasts, dead, "15s").unseen} == {"gap"}


def test_a_row_that_was_published_wrong_is_told(tmp_path: Path) -> None:
    """Each figure in its turn."""
    held = story()
    pasts = MarketPasts(archived(tmp_path, held), None, Settings(data_dir=tmp_path))
    row = next(row for row in rows_of(held)[500:] if None not in row.values())
    right = explained(pasts, row, "15s")
    assert right.agrees
    for name in right.figures:
        column = name.replace(".", "_")
        wrong = row | {column: 1 - row[column] if name == "stale" else row[column] * 1.001 + 0.001}
        found = explained(pasts, wrong, "15s")
        assert not found.agrees, name
        apart = [each for each, figure in found.figures.items() if figure.difference > 1e-9]  # type: ignore[operator]
        assert apart == [name]


def test_what_the_baseline_needs_and_nobody_holds_is_named(tmp_path: Path) -> None:
    """Kafka has deleted the beginning before it was archived."""
    held = {
        place: values if place[0] == "spreads" else values[200:]
        for place, values in story().items()
    }
    store = open_store(Settings(data_dir=tmp_path))
    manifest = Manifest(store)
    for (topic, partition), values in held.items():
        records = [
            ArchivedRecord(200 + offset, START_MS + offset * 200, None, value)
            for offset, value in enumerate(values)
        ]
        for chunk in chunks_of(topic, partition, records):
            rendered = render(chunk)
            manifest.write_files(rendered)
            manifest.write_entry(rendered.entry)
    pasts = MarketPasts(store, None, Settings(data_dir=tmp_path))
    row = rows_of(story())[-1]
    found = explained(pasts, row, "5m")
    assert found.agrees
    assert set(found.not_held) == {
        *("baseline_bps", "baseline_sigma", "z", "z_n", "half_life_s", "half_life_n"),
    }
    assert found.figures["z"].recomputed is None


def desk_of(folder: Path) -> HistoryDesk:
    """Return a gateway over the archived story, that knows its market."""
    store = archived(folder, story())
    desk = HistoryDesk(store)
    desk.gateway.history = msgspec.structs.replace(
        history_in(store), pasts=MarketPasts(store, None, desk.settings)
    )
    desk.take(market(BTC))
    return desk


def test_the_answer_holds_the_ticks_formulas_and_both_values(tmp_path: Path) -> None:
    at = iso_seconds(START // SECOND + 400)
    caller = desk_of(tmp_path).caller()
    path = "/v1/explain/spreads/kraken/BTC-USD"
    response = caller.get(path, params={"as_of": at, "window": "5m", "limit": 3})
    assert response.status_code == 200, response.text
    found = msgspec.json.decode(response.content, type=SpreadExplanation)
    assert (found.market, found.as_of, found.coin, found.agrees) == (BTC, at, "BTC", True)
    assert len(found.quotes) == len(found.trades) == 3
    assert found.quotes_total > 200
    last = found.quotes[-1].at
    assert (last.topic, last.partition) == ("kraken_quotes", PARTITION)
    figure = found.figures["windows.5m.mean"]
    assert figure.published == pytest.approx(
        float(figure.inputs["sum"] or 0) / float(figure.inputs["seconds"] or 1)
    )
    assert "seconds" in figure.formula


@pytest.mark.parametrize(
    ("asked", "status", "what"),
    [
        ({"as_of": "2026-01-01T00:00:00Z"}, 404, "not-held"),
        ({}, 404, "not-held"),
        ({"as_of": "2026-01-01T00:00:00.5Z"}, 422, "bad-as-of"),
        ({"as_of": "2026-01-01"}, 422, "bad-as-of"),
        ({"window": "2m"}, 422, "bad-parameter"),
        ({"limit": "100000"}, 422, "bad-parameter"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    asked: dict[str, str], status: int, what: str, tmp_path: Path
) -> None:
    response = desk_of(tmp_path).caller().get("/v1/explain/spreads/kraken/BTC-USD", params=asked)
    assert response.status_code == status, response.text
    assert response.json()["type"].endswith(what)


def test_a_market_that_is_not_known_has_no_explanation(tmp_path: Path) -> None:
    response = desk_of(tmp_path).caller().get("/v1/explain/spreads/kraken/DOGE-USD")
    assert response.status_code == 404
