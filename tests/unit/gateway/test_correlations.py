"""Correlations: blocks, matrices, pairs, history, reference prices, the channel."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from models.settings import Settings
from services.gateway.correlations.table_ids import table_id
from services.gateway.memory.correlations import HISTORY_BYTES, MANY_COINS
from services.gateway.records import DerivedRecord, derived_record
from services.gateway.stream.session import Session
from tests.unit.gateway.calls import Caller, check_problem, served
from tests.unit.gateway.made import BTC, START, Desk, FakeOutlet, coin, market, place
from tests.unit.gateway.made_derived import (
    LONG_TABLE,
    QUIET,
    TABLE,
    THIN,
    blocks,
    returns,
)

COINS = ["BTC", "ETH", "SOL"]
NAN = float("nan")
MATRIX = [[1.0, 0.8, NAN], [0.8, 1.0, 0.5], [NAN, 0.5, 1.0]]
WHY = [[0, 0, THIN], [0, 0, 0], [THIN, 0, 0]]
STEP = START // 10


@pytest.fixture
def desk() -> Desk:
    """Return a gateway that knows one matrix of three coins, and which of them is the largest."""
    desk = Desk(Settings(gateway_queue=64))
    desk.take(coin("ETH", 5e9), coin("BTC", 9e9), coin("SOL", 7e9), market())
    desk.take(returns(10, {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": None}))
    desk.take(*blocks(10, COINS, MATRIX, why=WHY))
    return desk


@pytest.fixture
def client(desk: Desk) -> Caller:
    """Return a caller of it."""
    return served(desk)


class Talk:
    """A session that asks a desk."""

    def __init__(self, desk: Desk, form: Any = "json") -> None:
        self.outlet: FakeOutlet
        client, self.outlet = desk.client(form, join=False)
        self.session = Session(client, desk.hub, desk.gateway.memory, desk.gateway.keys, None)

    def ask(self, **request: Any) -> list[dict[str, Any]]:
        """Send a request; return what is answered."""
        self.session.take(json.dumps(request))
        return self.outlet.messages()


def test_a_matrix_is_what_its_blocks_say(client: Caller) -> None:
    """In the order that was asked for; null cells have reasons under both of their names."""
    got = client.get("/v1/correlations?coins=SOL,BTC,ETH").json()
    assert got["table"] == TABLE
    assert (got["window"], got["sampling"], got["method"]) == ("1h", "60s", "pearson")
    assert got["as_of"] == "2026-03-01T12:00:10Z"
    assert got["coins"] == ["SOL", "BTC", "ETH"]
    assert got["matrix"] == [[1.0, None, 0.5], [None, 1.0, 0.8], [0.5, 0.8, 1.0]]
    assert got["reasons"] == {
        "matrix.SOL.BTC": "thin", "matrix.BTC.SOL": "thin", "change": "warming",
    }  # fmt: skip
    assert got["sigma"] == [0.6, 0.4, 0.5]
    assert got["n"] == [[300] * 3] * 3
    assert got["low"][0][1] is None
    half = 1.96 / np.sqrt(97)
    assert got["low"][1][2] == pytest.approx(np.tanh(np.arctanh(0.8) - half))
    assert got["high"][1][2] == pytest.approx(np.tanh(np.arctanh(0.8) + half))
    assert (got["rest_share"], got["ticks"], got["masked"]) == (0.25, [9.0] * 3, ["binance|2"])
    assert got["stale"] == ["SOL"]
    assert (got["repaired"], got["change"]) == (False, None)


def test_which_coins_are_usual(desk: Desk, client: Caller) -> None:
    """The top 10 by market value, stablecoins left out; `*` is all."""
    assert client.get("/v1/correlations").json()["coins"] == ["BTC", "SOL", "ETH"]
    assert client.get("/v1/correlations?coins=ETH,BTC&order=rank").json()["coins"] == ["BTC", "ETH"]
    many = [f"C{i:02d}" for i in range(12)]
    desk.take(*(coin(name, 1e6 + i) for i, name in enumerate(many)))
    desk.take(coin("USDX", 1e12, ["stablecoin"]))
    names = [*many, "USDX"]
    desk.take(*blocks(20, names, np.eye(13).tolist(), rows_a_block=5))
    assert client.get("/v1/correlations").json()["coins"] == many[:1:-1]
    everything = client.get("/v1/correlations?coins=%2A").json()["coins"]
    assert everything == [*reversed(many), "USDX"]


def test_a_coin_that_the_table_does_not_have_is_warming(client: Caller, desk: Desk) -> None:
    """Known to the gateway, so no error; nothing is known of it here."""
    desk.take(coin("ADA"))
    got = client.get("/v1/correlations?coins=ADA,BTC").json()
    assert got["matrix"] == [[None, None], [None, 1.0]]
    assert got["reasons"]["matrix.ADA.BTC"] == got["reasons"]["sigma.ADA"] == "warming"
    assert got["stale"] == ["ADA"]


def test_order_and_repair() -> None:
    """What moves together stands together; negative eigenvalues are cut, the interval stays."""
    desk = Desk()
    names = ["A", "B", "C", "D"]
    matrix = [
        [1.0, 0.1, 0.9, 0.0], [0.1, 1.0, 0.0, 0.9], [0.9, 0.0, 1.0, 0.1], [0.0, 0.9, 0.1, 1.0],
    ]  # fmt: skip
    desk.take(*blocks(10, names, matrix))
    client = served(desk)
    got = client.get("/v1/correlations?coins=A,B,C,D&order=cluster").json()
    places = {name: i for i, name in enumerate(got["coins"])}
    assert abs(places["A"] - places["C"]) == abs(places["B"] - places["D"]) == 1
    assert got["matrix"][places["A"]][places["C"]] == 0.9
    impossible = [[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]
    desk.take(*blocks(20, names[:3], impossible))
    got = client.get("/v1/correlations?coins=A,B,C&repair=true").json()
    assert got["repaired"] is True
    assert np.linalg.eigvalsh(np.array(got["matrix"])).min() >= -1e-12
    assert client.get("/v1/correlations?coins=A,B,C").json()["matrix"] == impossible


def test_a_matrix_is_published_when_all_of_its_blocks_are_there() -> None:
    """Not before, in whatever order they come; repeats and what does not fit are left out."""
    desk = Desk()
    talk = Talk(desk)
    first = blocks(10, COINS, MATRIX, why=WHY)
    desk.take(first[2], first[0])
    assert desk.gateway.memory.correlations.matrix(TABLE) is None
    desk.take(first[1])
    assert desk.gateway.memory.correlations.matrix(TABLE) is not None
    _, snapshot = talk.ask(op="subscribe", channel="correlations", keys=["1h.pearson"])
    assert snapshot["seq"] == STEP + 1
    desk.take(*first)
    other = blocks(20, COINS, MATRIX, why=WHY)
    desk.take(other[0], *blocks(30, COINS, MATRIX, why=WHY))
    (update,) = talk.outlet.messages()
    assert (update["seq"], update["prev_seq"]) == (STEP + 3, STEP + 1)
    desk.take(*other)
    assert talk.outlet.messages() == []
    misfit = [*blocks(40, COINS, MATRIX)[:2], blocks(40, ["BTC", "ETH", "ADA"], MATRIX)[2]]
    desk.take(*misfit)
    assert desk.gateway.memory.correlations.incoherent == 1


def test_subscribers_get_the_coins_they_ask_for(desk: Desk) -> None:
    """Under the key that they subscribed; the usual coins without; `*` has no table twice."""
    talks = {
        "few": (Talk(desk), {"keys": ["1h.pearson"], "coins": ["ETH", "BTC"]}),
        "usual": (Talk(desk), {"keys": [TABLE]}),
        "all": (Talk(desk), {"keys": ["*"], "coins": ["*"]}),
    }
    for talk, request in talks.values():
        ack, snapshot = talk.ask(op="subscribe", channel="correlations", **request)
        assert ack["type"] == "subscribed", ack
        assert snapshot["type"] == "snapshot"
    desk.take(*blocks(20, COINS, MATRIX, why=WHY))
    (few,) = talks["few"][0].outlet.messages()
    assert (few["key"], few["data"]["coins"]) == ("1h.pearson", ["ETH", "BTC"])
    assert few["data"]["matrix"] == [[1.0, 0.8], [0.8, 1.0]]
    (usual,) = talks["usual"][0].outlet.messages()
    assert (usual["key"], usual["data"]["coins"]) == (TABLE, ["BTC", "SOL", "ETH"])
    (batch,) = talks["all"][0].outlet.messages()
    assert [item["key"] for item in batch["items"]] == [TABLE]
    assert batch["items"][0]["data"]["coins"] == ["BTC", "SOL", "ETH"]
    error = Talk(desk).ask(op="subscribe", channel="correlations", keys=["*"], coins=["NOPE"])
    assert error[0]["code"] == "unknown_coin"


class Later:
    """What is to be done beside the event loop: done when a test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def __call__(self, call: Callable[[], bytes], then: Callable[[bytes], None]) -> None:
        """Keep both calls for later."""
        self.calls.append(lambda: then(call()))


MANY = [f"C{number:03}" for number in range(MANY_COINS + 1)]


def many(second: int) -> list[DerivedRecord]:
    """Return a matrix that takes long to serialise."""
    return blocks(second, MANY, np.eye(len(MANY)).tolist(), rows_a_block=len(MANY))


def asked_for_all(desk: Desk, **rest: Any) -> Talk:
    """Return a client that has asked for all coins of a table."""
    talk = Talk(desk)
    (ack,) = talk.ask(op="subscribe", channel="correlations", keys=[TABLE], coins=["*"], **rest)
    assert ack["type"] == "subscribed"
    return talk


def steps(talk: Talk) -> list[tuple[Any, ...]]:
    """Return what came: of matrices the type, `seq` and `prev_seq`, in seconds after START."""
    return [
        (message["type"], *(10 * (message[name] - STEP) for name in ("seq", "prev_seq")))
        if message["type"] in ("snapshot", "update") and message["channel"] == "correlations"
        else (message["type"],)
        for message in talk.outlet.messages()
    ]


@pytest.fixture
def later() -> Later:
    """Return what does things when it is told to."""
    return Later()


@pytest.fixture
def many_desk(later: Later) -> Desk:
    """Return a gateway that knows two large matrices; nothing large is serialised by itself."""
    desk = Desk(Settings(gateway_queue=64))
    desk.take(market(), *many(10), *many(20))
    desk.hub.beside = later
    return desk


def test_other_channels_go_on_while_a_large_matrix_is_serialised(
    many_desk: Desk, later: Later
) -> None:
    """The channel's own order stays: its snapshot, what came meanwhile, and that it is left."""
    talk = asked_for_all(many_desk)
    assert [each["type"] for each in talk.ask(op="ping", id=1)] == ["pong"]
    many_desk.take(*many(30))
    few = Talk(many_desk)
    assert len(few.ask(op="subscribe", channel="correlations", keys=[TABLE], coins=["C001"])) == 2
    assert talk.ask(op="unsubscribe", channel="correlations", keys=[TABLE]) == []
    assert len(later.calls) == 3
    for call in reversed(later.calls):
        assert steps(talk) == []
        call()
    assert steps(talk) == [("snapshot", 20, 10), ("update", 30, 20), ("unsubscribed",)]


def test_steps_that_come_faster_than_they_are_serialised_are_left_out(
    many_desk: Desk, later: Later
) -> None:
    """The newest follows what was sent last; who comes meanwhile gets each step once."""
    talk = asked_for_all(many_desk)
    later.calls.pop()()
    assert steps(talk) == [("snapshot", 20, 10)]
    for second in (30, 40, 50):
        many_desk.take(*many(second))
    assert len(later.calls) == 1
    other = asked_for_all(many_desk)
    many_desk.take(*many(60))
    while later.calls:
        later.calls.pop(0)()
    assert steps(talk) == [("update", 30, 20), ("update", 60, 30)]
    assert steps(other) == [("snapshot", 50, 40), ("update", 60, 50)]


def test_who_asks_for_another_interval_meanwhile_misses_nothing(
    many_desk: Desk, later: Later
) -> None:
    talk = asked_for_all(many_desk)
    later.calls.pop()()
    many_desk.take(*many(30))
    many_desk.take(*many(40))
    talk.outlet.messages()
    talk.ask(
        op="subscribe", channel="correlations", keys=[TABLE], coins=["*"], interval_ms=50,
        resume={TABLE: STEP + 4},
    )  # fmt: skip
    many_desk.take(*many(50))
    many_desk.schedule.run()
    while later.calls:
        later.calls.pop(0)()
    assert [step for step in steps(talk) if len(step) > 1] == [
        ("update", 30, 20), ("update", 40, 30), ("update", 50, 40)
    ]  # fmt: skip


def test_msgpack_says_the_same(desk: Desk) -> None:
    """A null cell is null, no NaN."""
    request = {"op": "subscribe", "channel": "correlations", "keys": [TABLE]}
    assert Talk(desk, "msgpack").ask(**request) == Talk(desk).ask(**request)


def test_resume_brings_the_steps_between(desk: Desk) -> None:
    """With the coins of the subscription; what is too long ago gets a snapshot."""
    for second in (20, 30):
        desk.take(*blocks(second, COINS, MATRIX, why=WHY))
    request: dict[str, Any] = {"op": "subscribe", "channel": "correlations", "keys": ["1h.pearson"]}
    _, *missed = Talk(desk).ask(**request, coins=["BTC"], resume={"1h.pearson": STEP + 1})
    assert [(m["seq"] - STEP, m["prev_seq"] - STEP) for m in missed] == [(2, 1), (3, 2)]
    assert [m["data"]["matrix"] for m in missed] == [[[1.0]], [[1.0]]]
    _, *again = Talk(desk).ask(**request, resume={"1h.pearson": STEP - 100})
    assert [m["type"] for m in again] == ["snapshot"]


def test_what_is_kept_of_a_large_matrix_is_bounded() -> None:
    """The newest always; of those before as many as fit."""
    desk = Desk()
    names = [f"C{i}" for i in range(500)]
    for second in range(10, 80, 10):
        desk.take(*blocks(second, names, np.eye(500).tolist(), rows_a_block=500))
    kept = desk.gateway.memory.correlations.matrices(TABLE)
    assert sum(matrix.nbytes for matrix in kept) <= HISTORY_BYTES
    assert kept[-1].as_of == START + 70
    assert len(kept) == HISTORY_BYTES // kept[0].nbytes


def test_change_against_the_longer_table(desk: Desk, client: Caller) -> None:
    """Pairs that left their interval; the average against its own past once 30 steps are known."""
    desk.take(*blocks(0, COINS, MATRIX, table=LONG_TABLE, why=WHY))
    low = [[1.0, 0.2, NAN], [0.2, 1.0, 0.5], [NAN, 0.5, 1.0]]
    desk.take(*blocks(20, COINS, low, why=WHY))
    got = client.get("/v1/correlations").json()
    z = (np.arctanh(0.2) - np.arctanh(0.8)) / np.sqrt(2 / 97)
    (changed,) = got["change"]["pairs"]
    assert (changed["coins"], changed["correlation"], changed["against"]) == (
        ["BTC", "ETH"], 0.2, 0.8,
    )  # fmt: skip
    assert changed["z"] == pytest.approx(z)
    assert got["change"]["against"] == LONG_TABLE
    assert got["change"]["average"] == {
        "z": pytest.approx(z / 2), "distance": None, "is_changed": None,
    }  # fmt: skip
    assert got["reasons"]["change.average.distance"] == "warming"
    pair = client.get("/v1/correlations/BTC/ETH").json()["change"]
    assert pair == {
        "against": LONG_TABLE, "correlation": 0.8, "z": pytest.approx(z), "is_changed": True,
    }  # fmt: skip
    earlier = [z / 2]
    for step in range(3, 35):
        wobble = 0.7 + 0.001 * (step % 5)
        earlier.append(float((np.arctanh(wobble) - np.arctanh(0.8)) / np.sqrt(2 / 97) / 2))
        desk.take(*blocks(10 * step, COINS, [[1, wobble, NAN], [wobble, 1, 0.5], [NAN, 0.5, 1]],
                          why=WHY))  # fmt: skip
    average = client.get("/v1/correlations").json()["change"]["average"]
    past = np.array(earlier[:-1])
    assert average["distance"] == pytest.approx((earlier[-1] - past.mean()) / past.std())
    assert average["is_changed"] is False


def test_a_pair(client: Caller) -> None:
    """One cell; a null one says why."""
    got = client.get("/v1/correlations/ETH/BTC").json()
    assert (got["coins"], got["correlation"], got["n"]) == (["ETH", "BTC"], 0.8, 300)
    assert (got["sigma"], got["rest_share"]) == ([0.5, 0.4], 0.25)
    assert got["reasons"] == {"change": "warming"}
    thin = client.get("/v1/correlations/BTC/SOL").json()
    assert (thin["correlation"], thin["stale"]) == (None, ["SOL"])
    whys = dict.fromkeys(("correlation", "low", "high"), "thin")
    assert thin["reasons"] == {**whys, "change": "warming"}


def test_the_history_of_a_pair_is_that_of_its_returns() -> None:
    """Pearson of the rows of the window that ends at each point, also over holes."""
    desk = Desk()
    random = np.random.default_rng(7)
    a = random.normal(0, 1e-3, 600)
    b = 0.6 * a + random.normal(0, 1e-3, 600)
    a[50:60] = np.nan
    for step in range(600):
        log_returns = [None if np.isnan(x) else float(x) for x in (a[step], b[step])]
        desk.take(returns(10 * step, {"BTC": 1.0, "ETH": 1.0}, log_returns))
    desk.take(*blocks(5990, ["BTC", "ETH"], [[1.0, 0.25], [0.25, 1.0]]))
    client = served(desk)
    span = "start=2026-03-01T13:00:00Z&end=2026-03-01T13:20:00Z"
    path = f"/v1/correlations/BTC/ETH/history?{span}&interval=5m"
    got = client.get(path).json()
    assert [point["as_of"][11:16] for point in got["data"]] == ["13:00", "13:05", "13:10", "13:15"]
    expected = pd.Series(a).rolling(360, min_periods=30).corr(pd.Series(b))
    for point in got["data"]:
        hours, minutes = int(point["as_of"][11:13]) - 12, int(point["as_of"][14:16])
        step = (hours * 60 + minutes) * 6
        assert point["correlation"] == pytest.approx(expected[step], abs=1e-9)
        assert point["n"] == int((~np.isnan(a[max(step - 359, 0) : step + 1])).sum())
        k = 6
        assert point["n_effective"] == pytest.approx(point["n"] * 3 * k / (2 * k * k + 1))
    assert got["complete_from"] == "2026-03-01T12:00:00Z"
    shown = np.array(client.get("/v1/correlations/BTC/ETH").json()["returns"])
    rows = np.column_stack([a, b])[240:]
    assert np.array_equal(shown, rows[~np.isnan(rows).any(axis=1)])
    first = client.get(f"{path}&limit=3").json()
    second = client.get(f"{path}&limit=3&cursor={first['next']}").json()
    assert first["data"] + second["data"] == got["data"]
    (newest,) = client.get("/v1/correlations/BTC/ETH/history?limit=1").json()["data"]
    assert newest["as_of"] == "2026-03-01T13:39:00Z"
    text = client.get(path, headers={"Accept": "text/csv"}).text
    assert len(text.splitlines()) == 5


def test_the_history_of_a_pair_reaches_back_over_rows_made_from_candles() -> None:
    """They come behind the first live rows; each counts as a row of a minute."""
    desk = Desk()
    random = np.random.default_rng(5)
    live, rest = random.normal(0, 1e-3, (2, 121, 2))
    live[1:] = 0.5 * live[1:] + 0.5 * live[1:, ::-1] ** 2
    prices = {"BTC": 1.0, "ETH": 1.0}
    for step in range(121):
        desk.take(returns(10 * step, prices, live[step].tolist()))
    for step in range(1, 121):
        made = returns(-60 * step, prices, rest[step].tolist(), source="rest")
        desk.take(made)
    span = "start=2026-03-01T11:10:00Z&end=2026-03-01T12:20:00Z"
    got = served(desk).get(f"/v1/correlations/BTC/ETH/history?{span}&interval=5m").json()
    assert got["complete_from"] == "2026-03-01T10:00:00Z"
    assert got["data"][0]["as_of"] == "2026-03-01T11:10:00Z"
    for point in got["data"]:
        end = (int(point["as_of"][11:13]) - 12) * 3600 + int(point["as_of"][14:16]) * 60
        old = [rest[n] for n in range(1, 121) if end - 3600 < -60 * n <= end]
        new = [live[n] for n in range(121) if end - 3600 < 10 * n <= end]
        both = np.array([*old, *new])
        assert point["n"] == len(both)
        assert point["correlation"] == pytest.approx(np.corrcoef(both.T)[0, 1], abs=1e-9)
        assert point["n_effective"] == pytest.approx(len(old) + len(new) * 18 / 73)


def test_what_was_published_stands_in_the_history() -> None:
    """As it was, whatever the rows that are held would give; what is early is `warming`."""
    desk = Desk()
    for step in range(1, 20):
        desk.take(returns(10 * step, {"BTC": 1.0, "ETH": 1.0}, [0.001 * step, -0.001 * step]))
    desk.take(*blocks(120, ["BTC", "ETH"], [[1.0, 0.25], [0.25, 1.0]]))
    got = served(desk).get("/v1/correlations/BTC/ETH/history").json()["data"]
    assert [point["correlation"] for point in got] == [None, 0.25, None]
    assert got[0]["reasons"]["correlation"] == "warming"


def test_the_history_of_other_methods_is_what_was_published() -> None:
    """As far as matrices are kept."""
    desk = Desk()
    for step in range(1, 13):
        matrix = [[1.0, step / 100], [step / 100, 1.0]]
        desk.take(*blocks(10 * step, ["BTC", "ETH"], matrix, table="1h.60s.ewma"))
    assert "returns" not in served(desk).get("/v1/correlations/BTC/ETH?method=ewma").json()
    got = served(desk).get("/v1/correlations/BTC/ETH/history?method=ewma").json()
    assert [point["correlation"] for point in got["data"]] == [0.06, 0.12]
    assert got["complete_from"] == "2026-03-01T12:00:10Z"


def test_reference_prices(desk: Desk, client: Caller) -> None:
    """Of the newest row; a coin without one has none, and a late line is told after 3 steps."""
    got = client.get("/v1/coins/BTC").json()
    assert (got["reference_price"], got["reference_quote_currency"], got["reference_as_of"]) == (
        60_000.0, "USD", "2026-03-01T12:00:10Z",
    )  # fmt: skip
    assert got["reasons"] == {}
    sol = client.get("/v1/coins/SOL").json()
    assert (sol["reference_price"], sol["reasons"]["reference_price"]) == (None, "stale")
    desk.take(returns(20, {"BTC": 61_000.0, "ETH": None, "SOL": 100.0}))
    assert client.get("/v1/coins/BTC").json()["reference_price"] == 61_000.0
    late = Desk(Settings(source="live"))
    late.take(returns(0, {"BTC": 1.0}), *blocks(0, COINS, MATRIX, why=WHY))
    for seconds, is_late in ((30, False), (30.1, True)):
        late.clock.seconds = START + seconds
        coin_now = served(late).get("/v1/coins/BTC").json()
        assert (coin_now["reasons"].get("reference_as_of") == "line_delayed") is is_late
        matrix = served(late).get("/v1/correlations").json()
        assert (matrix["reasons"].get("as_of") == "line_delayed") is is_late
        assert matrix["stale"] == (matrix["coins"] if is_late else ["ETH", "SOL"])


def test_a_table_without_a_matrix_is_warming() -> None:
    """It is declared, but has made no step with a matrix."""
    desk = Desk()
    desk.take(returns(10, {"BTC": 1.0}))
    got = served(desk).get("/v1/correlations?coins=BTC").json()
    assert (got["as_of"], got["matrix"]) == (None, [[None]])
    assert got["reasons"]["as_of"] == got["reasons"]["matrix.BTC.BTC"] == "warming"


def test_tables_stand_in_the_catalog(client: Caller) -> None:
    """With the key under which channel and page call them."""
    got = client.get("/v1/catalog").json()
    assert got["methods"] == ["ewma", "hayashi_yoshida", "pearson", "spearman"]
    assert {
        "table": TABLE, "key": "1h.pearson", "window": "1h", "sampling": "60s",
        "method": "pearson", "step_s": 10, "coins": 3,
    } in got["tables"]  # fmt: skip
    assert [each["table"] for each in got["tables"]] == sorted(
        Settings().correlation_tables, key=lambda name: (table_id(name).window_s, name)
    )
    assert got["intervals"] == ["1m", "5m", "1h", "1d"]
    assert {"bars", "indicators", "correlations"} <= set(got["channels"])


@pytest.mark.parametrize("break_it", ["short", "why", "rows", "as_of"])
def test_what_does_not_fit_together_is_no_record(break_it: str) -> None:
    """It is counted as not readable, and the line goes on."""
    block: Any = blocks(10, COINS, MATRIX, why=[[QUIET] * 3] * 3)[0].value
    changes: dict[str, dict[str, Any]] = {
        "short": {"sigma": b""},
        "why": {"why": bytes([9, 9, 9])},
        "rows": {"first_row": 3},
        "as_of": {"as_of": "now"},
    }
    value = msgspec.msgpack.encode(msgspec.structs.replace(block, **changes[break_it]))
    with pytest.raises(ValueError, match=r"expected|Invalid"):
        derived_record("correlations", place(0), value)


BAD = [
    ("/v1/correlations?coins=BTC,NOPE", 404, "unknown-coin"),
    ("/v1/correlations?coins=", 404, "unknown-coin"),
    ("/v1/correlations?window=7h", 404, "unknown-table"),
    ("/v1/correlations?sampling=10s", 404, "unknown-table"),
    ("/v1/correlations?window=24h&method=ewma", 404, "unknown-table"),
    ("/v1/correlations?method=kendall", 422, "bad-parameter"),
    ("/v1/correlations?order=random", 422, "bad-parameter"),
    ("/v1/correlations?repair=perhaps", 422, "bad-parameter"),
    ("/v1/correlations?coin=BTC", 422, "unknown-parameter"),
    ("/v1/correlations/BTC/NOPE", 404, "unknown-coin"),
    ("/v1/correlations/BTC/ETH?window=2h", 404, "unknown-table"),
    ("/v1/correlations/BTC/ETH/history?interval=7s", 422, "bad-parameter"),
    ("/v1/correlations/BTC/ETH/history?start=x", 422, "bad-range"),
    ("/v1/correlations/NOPE/ETH/history", 404, "unknown-coin"),
    ("/v1/correlations/BTC/ETH/history?cursor=YWJj", 422, "bad-cursor"),
]


@pytest.mark.parametrize(("path", "status", "kind"), BAD)
def test_what_is_refused(client: Caller, path: str, status: int, kind: str) -> None:
    """With a problem that says what was expected."""
    check_problem(client.get(path), status, kind, path)


def test_a_market_is_no_coin(client: Caller) -> None:
    """Its name in a list of coins is unknown."""
    check_problem(
        client.get(f"/v1/correlations?coins={BTC}"), 404, "unknown-coin", "/v1/correlations"
    )
