"""Backfilled bars in the history of a market: REST answers with them where live ones say less."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from agents.archive.store import Store, open_store
from models.archive.backfill import DAY_MINUTES, BackfilledDay, BackfillSource
from models.errors import StoreError
from models.records.bars import Bars, encode_bars
from models.settings import Settings
from models.statistics.bars import CAPTURE, REST, absent_bars
from services.backfill.reader import BackfillReader
from services.backfill.store import BackfillStore
from services.gateway.gateway import Gateway
from services.gateway.history.places import GatewayHistory
from services.gateway.records import DerivedRecord
from services.history.parquet import ParquetHistory
from services.history.recorded import RecordedHistory
from services.history.series import History
from services.history.ticks import TickHistory
from tests.unit.gateway.calls import Caller, served
from tests.unit.gateway.made import BTC, START, Clock, Desk, Schedule, place
from tests.unit.gateway.made_derived import MINUTE, bars
from tests.unit.history.made import PARTITIONS, archive, records_of

ORIGINS: dict[BackfillSource, int] = {"rest": REST, "capture": CAPTURE}


class BackfilledDesk(Desk):
    """A gateway in memory whose archive has backfilled bars."""

    def __init__(self, store: Store) -> None:
        self.clock = Clock()
        self.schedule = Schedule()
        self.settings = Settings(gateway_queue=16)
        recorded = RecordedHistory(ParquetHistory(store, PARTITIONS), None)
        history = GatewayHistory(
            History(recorded, backfill=BackfillReader(store)),
            TickHistory(store, None, PARTITIONS),
            store,
        )
        self.gateway = Gateway(
            self.settings, self.clock, self.schedule, ["spreads"], history=history
        )
        self.finish()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty archive."""
    return open_store(Settings(data_dir=tmp_path))


def backfill(store: Store, source: BackfillSource, first: int, last: int, price: float) -> None:
    """Backfill the minutes from `first` to `last`, exclusive, after START."""
    for day in range((MINUTE + first) // DAY_MINUTES, (MINUTE + last) // DAY_MINUTES + 1):
        minutes = absent_bars(DAY_MINUTES)
        numbers = np.arange(max(first + MINUTE, day * DAY_MINUTES), min(last + MINUTE, 2**40))
        places = numbers[numbers < (day + 1) * DAY_MINUTES] - day * DAY_MINUTES
        for name in ("open", "high", "low", "close", "volume", "quote_volume"):
            minutes[name][places] = price
        minutes["n"][places] = 3
        minutes["coverage"][places] = 1.0 if source == "capture" else 0.0
        minutes["origin"][places] = ORIGINS[source]
        BackfillStore(store).put(BackfilledDay(source, BTC, day), minutes)


def archived(store: Store, *minutes: tuple[int, float | None, float]) -> None:
    """Archive live bars: the minute after START, the close and the coverage."""
    values = []
    for minute, close, coverage in minutes:
        record = cast(Bars, bars(minute, {BTC: close}).value)
        values.append(encode_bars(msgspec.structs.replace(record, coverage=[coverage])))
    archive(store, "bars", records_of(values))


def answered(caller: Caller, first: int, last: int, interval: str = "1m") -> list[dict[str, Any]]:
    """Return the bars of BTC from minute to minute after START, page by page."""
    pair = BTC.partition(":")
    path = f"/v1/coins/BTC/bars?interval={interval}&exchange={pair[0]}&limit=50"
    span = [np.datetime64(START + 60 * minute, "s") for minute in (first, last)]
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        got = caller.get(f"{path}&start={span[0]}Z&end={span[1]}Z{cursor}")
        assert got.status_code == 200, got.text
        body = got.json()
        found += body["data"]
        if body["next"] is None:
            return found
        cursor = f"&cursor={body['next']}"


def test_a_backfilled_range_is_answered_and_live_bars_stand_where_they_know_as_much(
    store: Store,
) -> None:
    """Candles of three hours, a capture of ten minutes, live bars of the archive and memory."""
    backfill(store, "rest", -180, 2, 90.0)
    backfill(store, "capture", -100, -90, 95.0)
    archived(store, (-95, 101.0, 0.5), (-60, 102.0, 1.0), (-59, None, 1.0), (-58, None, 0.5))
    desk = BackfilledDesk(store)
    desk.take(bars(0), bars(1))
    found = answered(served(desk), -200, 2)
    assert [bar["start"] for bar in found] == [
        f"{np.datetime64(START + 60 * minute, 's')}Z" for minute in range(-180, 2)
    ]
    shown = dict(zip(range(-180, 2), found, strict=True))
    sources = {minute: bar["source"] for minute, bar in shown.items() if bar["source"] != "rest"}
    assert sources == {
        **dict.fromkeys(range(-100, -90), "capture"),
        -95: "live",
        -60: "live",
        -59: "live",
        0: "live",
        1: "live",
    }
    assert [shown[minute]["close"] for minute in (-180, -100, -95, -60, -59, -58, 0)] == [
        90.0, 95.0, 101.0, 102.0, None, 90.0, 100.0,
    ]  # fmt: skip
    assert shown[-180]["reasons"] == dict.fromkeys(("first_trade", "last_trade"), "thin")


def test_a_capture_of_long_ago_does_not_say_that_all_since_is_there(store: Store) -> None:
    """Its bars are answered; complete is what the backfilled days that join the archive make so."""
    backfill(store, "capture", -5 * DAY_MINUTES, 10 - 5 * DAY_MINUTES, 95.0)
    archived(store, (-60, 101.0, 1.0), (-59, 102.0, 1.0))
    desk = BackfilledDesk(store)
    desk.take(bars(0), bars(1))
    caller = served(desk)
    path = "/v1/coins/BTC/bars?exchange=kraken&start=2026-01-01T00:00:00Z"
    for first in (-60, -180, -1_000):
        backfill(store, "rest", first, -60, 90.0)
        got = caller.get(path).json()
        assert [bar["source"] for bar in got["data"][:10]] == ["capture"] * 10
        assert len(got["data"]) == 10 + (-60 - first) + 4
        assert got["complete_from"] == f"{np.datetime64(START + 60 * (first + 1), 's')}Z"


@pytest.mark.parametrize("form", ["json", "json, no start", "csv"])
def test_backfilled_bars_stand_in_for_what_memory_lacks_and_say_what_they_are(
    store: Store, form: str
) -> None:
    """A hole between live bars, a minute that saw no price, and what came after the line's end."""
    backfill(store, "rest", -5, 14, 90.0)
    backfill(store, "capture", 4, 6, 95.0)
    desk = BackfilledDesk(store)
    unseen = cast(Bars, bars(2, {BTC: None}).value)
    desk.take(bars(0), bars(1), bars(8), bars(9))
    desk.take(DerivedRecord(place(2), msgspec.structs.replace(unseen, coverage=[0.5])))
    path = "/v1/coins/BTC/bars?exchange=kraken"
    path += "" if form == "json, no start" else "&start=2026-03-01T12:00:00Z"
    caller = served(desk)
    if form == "csv":
        text = caller.get(path, headers={"Accept": "text/csv"}).text
        found = list(csv.DictReader(io.StringIO(text)))
    else:
        found = caller.get(path).json()["data"]
    assert [bar["start"][14:16] for bar in found] == [f"{minute:02}" for minute in range(14)]
    assert [bar["source"] for bar in found] == [
        *["live"] * 2, *["rest"] * 2, *["capture"] * 2, *["rest"] * 2, *["live"] * 2, *["rest"] * 4
    ]  # fmt: skip
    assert [float(bar["close"]) for bar in found[1:6]] == [100.0, 90.0, 90.0, 95.0, 95.0]


def test_what_memory_holds_is_answered_while_backfilled_bars_are_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill(store, "rest", 0, 9, 90.0)
    desk = BackfilledDesk(store)
    desk.take(bars(0), bars(5))

    def away(*_: object) -> Iterator[Any]:
        raise StoreError("expected a store, was none")

    monkeypatch.setattr(History, "stand_ins", away)
    found = served(desk).get("/v1/coins/BTC/bars?exchange=kraken").json()["data"]
    assert [bar["source"] for bar in found] == ["live", "live"]


def test_what_was_merged_is_answered_too_and_says_from_where_it_is_there(store: Store) -> None:
    """Two hours of candles over midnight, without anything archived; hours and days."""
    backfill(store, "rest", -780, -660, 90.0)
    desk = BackfilledDesk(store)
    desk.take(bars(0))
    caller = served(desk)
    hours = answered(caller, -900, 0, "1h")
    assert [bar["start"][11:16] for bar in hours] == ["23:00", "00:00"]
    assert [(bar["volume"], bar["n"], bar["source"]) for bar in hours] == 2 * [
        (5400.0, 180, "rest")
    ]
    assert answered(caller, -3_000, 0, "1d") == []
    got = caller.get("/v1/coins/BTC/bars?exchange=kraken&start=2026-02-01T00:00:00Z&limit=1").json()
    assert got["data"][0]["start"] == "2026-02-28T23:00:00Z"
    assert got["complete_from"] <= "2026-02-28T23:01:00Z"
