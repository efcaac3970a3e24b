"""Bars and indicators: memory, revisions, REST, CSV, composites, the channels."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.settings import Settings
from models.statistics.bar_rows import bar_rows
from models.statistics.bars import BAR_COLUMNS, LIVE
from models.statistics.indicators import indicators as computed
from services.gateway.memory.intervals import HELD
from services.gateway.rendering import Rendering
from tests.unit.gateway.calls import Caller, check_problem, served
from tests.unit.gateway.made import BTC, START, Desk, market
from tests.unit.gateway.made_derived import MINUTE, bars, indicators
from tests.unit.gateway.talk import Talk

COINBASE = "coinbase:BTC-USD"
KEY = f"{BTC}|1m"


@pytest.fixture
def desk() -> Desk:
    """Return a gateway that knows ten minutes of one market and eight of another."""
    desk = Desk(Settings(gateway_queue=64))
    desk.take(market(), market(COINBASE), market("kraken:ETH-USD"))
    for minute in range(10):
        desk.take(bars(minute, {BTC: 100.0 + minute}))
    for minute in range(8):
        desk.take(bars(minute, {COINBASE: 200.0 + minute}))
    return desk


@pytest.fixture
def client(desk: Desk) -> Caller:
    """Return a caller of it."""
    return served(desk)


def starts(answer: Any) -> list[str]:
    """Return the minutes of a list's bars."""
    return [each["start"][11:16] for each in answer["data"]]


def test_a_bar_is_what_the_record_says(client: Caller) -> None:
    """Times as everywhere in the interface."""
    got = client.get("/v1/coins/BTC/bars?exchange=kraken&limit=1").json()
    assert got == {
        "data": [
            {
                "market": BTC, "exchange": "kraken", "coin": "BTC", "quote_currency": "USD",
                "interval": "1m", "start": "2026-03-01T12:09:00Z",
                "as_of": "2026-03-01T12:10:00Z", "open": 108.0, "high": 111.0, "low": 106.0,
                "close": 109.0, "volume": 2.0, "quote_volume": 218.0, "vwap": 109.0,
                "coverage": 1.0, "n": 5, "first_trade": "2026-03-01T12:09:00.250000Z",
                "last_trade": "2026-03-01T12:09:59Z", "source": "live", "stale": False,
                "reasons": {},
            }
        ],
        "next": None,
        "complete_from": "2026-03-01T12:00:00Z",
        "gaps": [],
    }  # fmt: skip


def test_what_is_undefined_stays_null(desk: Desk) -> None:
    """With the reason of the record, never 0."""
    desk.take(bars(10, {BTC: None}))
    (bar,) = served(desk).get("/v1/coins/BTC/bars?exchange=kraken&limit=1").json()["data"]
    assert (bar["close"], bar["n"], bar["volume"]) == (None, 0, 0.0)
    assert bar["first_trade"] is None
    assert set(bar["reasons"].values()) == {"no_trades"}
    assert bar["stale"] is False


def test_ranges_and_pages(client: Caller, desk: Desk) -> None:
    """From `start` to before `end`, any offset; the cursor goes on while bars are added."""
    span = "start=2026-03-01T12:02:30Z&end=2026-03-01T13:07:00%2B01:00"
    path = f"/v1/coins/BTC/bars?exchange=kraken&{span}&limit=3"
    first = client.get(path).json()
    assert starts(first) == ["12:03", "12:04", "12:05"]
    desk.take(bars(10, {BTC: 1.0}))
    second = client.get(f"{path}&cursor={first['next']}").json()
    assert (starts(second), second["next"]) == (["12:06"], None)
    newest = client.get("/v1/coins/BTC/bars?exchange=kraken&limit=2").json()
    assert (starts(newest), newest["next"]) == (["12:09", "12:10"], None)
    until = client.get("/v1/coins/BTC/bars?exchange=kraken&limit=2&end=2026-03-01T12:02:00Z")
    assert starts(until.json()) == ["12:00", "12:01"]


def test_csv_says_the_same(client: Caller) -> None:
    """With the next page in `Link`; null is empty."""
    path = "/v1/coins/BTC/bars?exchange=kraken&start=2026-03-01T12:00:00Z&limit=4"
    got = client.get(path, headers={"Accept": "text/csv"})
    assert got.headers["content-type"].startswith("text/csv")
    assert got.headers["cointide-complete-from"] == "2026-03-01T12:00:00Z"
    plain = client.get(path).json()
    rows = list(csv.DictReader(io.StringIO(got.text)))
    assert [row["start"] for row in rows] == [bar["start"] for bar in plain["data"]]
    assert [float(row["vwap"]) for row in rows] == [bar["vwap"] for bar in plain["data"]]
    target = got.headers["link"].partition(">")[0][1:]
    assert got.headers["link"].endswith('rel="next"')
    following = client.get(target, headers={"Accept": "text/csv"})
    (row, *_) = csv.DictReader(io.StringIO(following.text))
    assert row["start"] == "2026-03-01T12:04:00Z"


def test_a_composite_merges_the_markets(client: Caller) -> None:
    """Contract section 4; a market without a bar is named, and counts in the coverage."""
    got = client.get("/v1/coins/BTC/bars?start=2026-03-01T12:07:00Z").json()["data"]
    both, alone = got[0], got[1]
    # Both open and close at the same times: the exchange first by name counts.
    assert (both["open"], both["close"]) == (206.0, 207.0)
    assert (both["high"], both["low"]) == (209.0, 104.0)
    assert (both["volume"], both["n"]) == (4.0, 10)
    assert both["vwap"] == (2 * 107.0 + 2 * 207.0) / 4
    assert (both["markets"], both["missing"], both["coverage"]) == ([COINBASE, BTC], [], 1.0)
    assert (alone["close"], alone["missing"], alone["coverage"]) == (108.0, [COINBASE], 0.5)
    assert "market" not in both


def test_what_is_read_at_the_start_is_known_like_what_comes_later() -> None:
    """Nobody is told of it; repeats and revisions count as ever, also of what comes behind."""
    late = [bars(3, {BTC: 1.0}), bars(4, {BTC: 104.0}), bars(-1, {BTC: 99.0}), indicators(9)]
    records = [*(bars(minute, {BTC: 100.0 + minute}) for minute in range(10)), *late]
    started = Desk(Settings(gateway_queue=64))
    started.gateway.waiting_for = {"bars"}
    started.take(market(), *records)
    started.gateway.waiting_for.clear()
    later = Desk(Settings(gateway_queue=64))
    later.take(market(), *records)
    for rest in ("bars?", "bars?exchange=kraken&", "indicators?exchange=kraken&"):
        path = f"/v1/coins/BTC/{rest}start=2026-03-01T11:00:00Z"
        assert served(started).get(path).json() == served(later).get(path).json()
    known = started.gateway.memory.bars
    assert (known.repeated, known.revised) == (1, 2)


class HeldRendering(Rendering):
    """Puts nothing together before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def run(self, call: Callable[[], Any]) -> Any:
        """Wait, then do as usual."""
        self.asked.set()
        await self.go_on.wait()
        return await super().run(call)


@pytest.mark.parametrize("rest", ["bars?", "bars?exchange=kraken&", "indicators?"])
def test_others_are_answered_while_bars_are_put_together(desk: Desk, rest: str) -> None:
    """The answer is made beside the event loop, of what stood there when it was asked for."""
    path = f"/v1/coins/BTC/{rest}start=2026-03-01T12:00:00Z"
    client = served(desk)
    expected = client.get(path).json()

    async def meanwhile() -> Any:
        rendering = desk.gateway.rendering = HeldRendering()
        waiting = asyncio.create_task(client.send("GET", path))
        await rendering.asked.wait()
        assert (await client.send("GET", "/v1/live")).json() == {"live": True}
        desk.take(bars(9, {BTC: 7.0}), bars(10, {BTC: 8.0}))
        rendering.go_on.set()
        return (await waiting).json()

    assert asyncio.run(asyncio.wait_for(meanwhile(), 60.0)) == expected
    assert client.get(path).json() != expected


def test_what_is_published_again_is_dropped_or_revised(desk: Desk) -> None:
    """The same bytes again change nothing; another value takes the place, also of an old bar."""
    store = desk.gateway.memory.bars
    assert store.take(bars(3, {BTC: 103.0})) == []
    assert store.repeated == 1
    (item,) = store.take(bars(3, {BTC: 55.0}, source="mixed"))
    assert (item.seq, item.prev_seq, item.is_revised) == (MINUTE + 3, None, True)
    (between,) = store.take(bars(-5, {BTC: 44.0}, source="rest"))
    assert between.is_revised
    got = served(desk).get("/v1/coins/BTC/bars?exchange=kraken").json()
    assert [bar["close"] for bar in got["data"]][:5] == [44.0, 100.0, 101.0, 102.0, 55.0]
    assert got["data"][4]["source"] == "mixed"


def test_the_horizon_is_bounded_and_told() -> None:
    """The newest of every interval; memory a market stays below 400 kB."""
    desk = Desk()
    minutes = HELD["1m"] + 100
    for minute in range(minutes):
        desk.take(bars(minute))
        desk.take(bars(minute, interval="5m"), bars(minute, interval="1h"))
        desk.take(bars(minute, interval="1d"), indicators(minute))
    memory = desk.gateway.memory
    got = served(desk).get("/v1/coins/BTC/bars?start=1970-01-01T00:00:00Z&limit=1").json()
    oldest = START + 100 * 60
    assert got["data"][0]["start"] == got["complete_from"]
    assert len(memory.bars.held([BTC], "1m").rows[BTC]) == HELD["1m"]
    assert int(memory.bars.held([BTC], "1m").rows[BTC]["seq"][0]) * 60 == oldest
    assert memory.bars.memory_bytes() < 400_000
    assert memory.indicators.memory_bytes() < 400_000


def test_subscribers_get_bars_and_revisions(desk: Desk) -> None:
    """A revision has its bar's `seq` and is not of the chain; the next update follows the last."""
    talk = Talk(desk)
    _, snapshot = talk.ask(op="subscribe", channel="bars", keys=[KEY])
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", MINUTE + 9)
    desk.take(bars(10), bars(4, {BTC: 7.0}, source="mixed"), bars(10), bars(11))
    first, revised, second = talk.outlet.messages()
    assert (first["seq"], first["prev_seq"]) == (MINUTE + 10, MINUTE + 9)
    assert "revised" not in first
    assert (revised["seq"], revised["prev_seq"], revised["revised"]) == (MINUTE + 4, None, True)
    assert revised["data"]["close"] == 7.0
    assert (second["seq"], second["prev_seq"]) == (MINUTE + 11, MINUTE + 10)


def test_resume_brings_bars_and_what_was_revised_meanwhile(desk: Desk) -> None:
    """In order, chained to the one that the client had."""
    for minute in (10, 11):
        desk.take(bars(minute, {BTC: 100.0 + minute}, offset=minute))
    desk.take(bars(4, {BTC: 7.0}, source="mixed", offset=12))
    talk = Talk(desk)
    _, *missed = talk.ask(op="subscribe", channel="bars", keys=[KEY], resume={KEY: MINUTE + 9})
    assert [(m["seq"] - MINUTE, m["prev_seq"], m.get("revised")) for m in missed] == [
        (4, None, True),
        (10, MINUTE + 9, None),
        (11, MINUTE + 10, None),
    ]
    desk.take(bars(12, {BTC: 112.0}, offset=13))
    _, *since = Talk(desk).ask(
        op="subscribe", channel="bars", keys=[KEY], resume={KEY: MINUTE + 12}
    )
    assert since == []
    _, *again = Talk(desk).ask(
        op="subscribe", channel="bars", keys=[KEY], resume={KEY: MINUTE - 60}
    )
    assert [message["type"] for message in again] == ["snapshot"]


def test_a_slow_client_gets_the_newest_bar_and_the_newest_revision(desk: Desk) -> None:
    """A revision never takes the place of a bar that was not sent."""
    talk = Talk(desk)
    talk.ask(op="subscribe", channel="bars", keys=[KEY], interval_ms=1000)
    desk.take(bars(10), bars(3, {BTC: 5.0}), bars(4, {BTC: 6.0}), bars(11))
    desk.schedule.run()
    sent = {
        (message["seq"] - MINUTE, message.get("revised")) for message in talk.outlet.messages()
        if message["type"] == "update"
    }  # fmt: skip
    assert sent == {(11, None), (4, True)}


def test_a_market_that_goes_out_of_sight_is_told_to_who_wants_its_bars(desk: Desk) -> None:
    """As to everyone else who has subscribed to the market."""
    talk = Talk(desk)
    talk.ask(op="subscribe", channel="indicators", keys=[KEY])
    desk.hub.tell_status(BTC, "stale", "stale", START * 10**9)
    assert [message["type"] for message in talk.outlet.messages()] == ["status"]


def test_indicators_of_a_market_are_those_of_the_topic(desk: Desk) -> None:
    """The newest alone, or those as of a range."""
    for minute in range(3):
        desk.take(indicators(minute, 100.0 + minute))
    client = served(desk)
    path = "/v1/coins/BTC/indicators?exchange=kraken"
    (newest,) = client.get(path).json()["data"]
    assert (newest["sma_20"], newest["as_of"]) == (102.0, "2026-03-01T12:03:00Z")
    assert (newest["rsi_14"], newest["reasons"]["rsi_14"]) == (None, "warming")
    span = "&start=2026-03-01T12:01:00Z&end=2026-03-01T12:03:00Z"
    assert [each["sma_20"] for each in client.get(path + span).json()["data"]] == [100.0, 101.0]


def test_indicators_of_a_composite_are_those_of_its_bars() -> None:
    """At every bar of a range what the same functions give over the bars up to it."""
    desk = Desk()
    random = np.random.default_rng(5)
    closes = 100 * np.exp(np.cumsum(random.normal(0, 0.01, 90)))
    missing = {40, 41}
    for minute, close in enumerate(closes):
        if minute not in missing:
            desk.take(bars(minute, {BTC: float(close)}))
    got = served(desk).get("/v1/coins/BTC/indicators?start=2026-03-01T12:00:00Z").json()["data"]
    numbers = [minute for minute in range(90) if minute not in missing]
    assert len(got) == len(numbers)
    for minute, figures in zip(numbers, got, strict=True):
        window = {
            name: np.full((minute + 1, 1), empty, kind)
            for name, (kind, empty) in BAR_COLUMNS.items()
        }
        for number in range(minute + 1):
            if number in missing:
                continue
            for name, shift in (("open", -1), ("high", 2), ("low", -3), ("close", 0)):
                window[name][number] = closes[number] + shift
            window["volume"][number] = 2.0
            window["quote_volume"][number] = 2.0 * closes[number]
            window["coverage"][number] = 1.0
            window["origin"][number] = LIVE
        rows = bar_rows(window)
        assert figures["n"] == int(rows.n[0])
        for name, column in computed(rows, 60).items():
            expected = None if np.isnan(column[0]) else pytest.approx(float(column[0]), rel=1e-12)
            assert figures[name] == expected
            assert (name in figures["reasons"]) == (expected is None)
    assert got[38]["n"] == 39
    assert got[40]["n"] == 1
    assert got[40]["reasons"]["sma_20"] == "warming"


def test_a_late_line_is_said_on_the_newest_bar() -> None:
    """An interval and 5 s after its end; older bars stay as they were."""
    desk = Desk(Settings(source="live"))
    desk.take(market(), bars(0), bars(1))
    client = served(desk)
    for path in ("/v1/coins/BTC/bars?exchange=kraken", "/v1/coins/BTC/bars"):
        desk.clock.seconds = START + 2 * 60 + 60 + 5
        assert [bar["stale"] for bar in client.get(path).json()["data"]] == [False, False]
        desk.clock.seconds += 1
        old, newest = client.get(path).json()["data"]
        assert (old["stale"], newest["stale"]) == (False, True)
        assert newest["reasons"] == {"as_of": "line_delayed"}


BAD = [
    ("/v1/coins/NOPE/bars", 404, "unknown-coin"),
    ("/v1/coins/BTC/bars?interval=7m", 422, "bad-parameter"),
    ("/v1/coins/BTC/bars?quote=XXX", 422, "unknown-quote-currency"),
    ("/v1/coins/BTC/bars?exchange=nyse", 422, "unknown-exchange"),
    ("/v1/coins/BTC/bars?exchange=binance", 404, "unknown-market"),
    ("/v1/coins/BTC/bars?start=yesterday", 422, "bad-range"),
    ("/v1/coins/BTC/bars?start=2026-03-01T12:00:00", 422, "bad-range"),
    ("/v1/coins/BTC/bars?start=2026-03-02T00:00:00Z&end=2026-03-01T00:00:00Z", 422, "bad-range"),
    ("/v1/coins/BTC/bars?cursor=%21", 422, "bad-cursor"),
    ("/v1/coins/BTC/bars?cursor=YWJj", 422, "bad-cursor"),
    ("/v1/coins/BTC/bars?limit=10001", 422, "bad-parameter"),
    ("/v1/coins/BTC/bars?intervall=1m", 422, "unknown-parameter"),
    ("/v1/coins/NOPE/indicators", 404, "unknown-coin"),
    ("/v1/coins/BTC/indicators?start=x", 422, "bad-range"),
    ("/v1/coins/BTC/indicators?colour=red", 422, "unknown-parameter"),
]


@pytest.mark.parametrize(("path", "status", "kind"), BAD)
def test_what_is_refused(client: Caller, path: str, status: int, kind: str) -> None:
    """With a problem that says what was expected."""
    check_problem(client.get(path), status, kind, path)


def test_what_cannot_be_accepted_is_said(client: Caller) -> None:
    """There are JSON, CSV, Parquet and Arrow."""
    path = "/v1/coins/BTC/bars"
    got = client.get(path, headers={"Accept": "application/xml"})
    check_problem(got, 406, "not-acceptable", path)
    for accept in ("*/*", "application/json, text/csv;q=0.5", "text/html, */*;q=0.1"):
        got = client.get(path, headers={"Accept": accept})
        assert got.headers["content-type"] == "application/json"
