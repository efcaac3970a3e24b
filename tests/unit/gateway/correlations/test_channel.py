"""The channel of correlations: coins, resuming, and matrices that take long to serialise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.settings import Settings
from services.gateway.memory.correlations import MANY_COINS
from services.gateway.records import DerivedRecord
from tests.unit.gateway.correlations.made_matrix import COINS, MATRIX, STEP, WHY
from tests.unit.gateway.made import Desk, market
from tests.unit.gateway.made_derived import TABLE, blocks
from tests.unit.gateway.talk import Talk


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


def test_msgpack_says_the_same(desk: Desk) -> None:
    """A null cell is null, no NaN."""
    request = {"op": "subscribe", "channel": "correlations", "keys": [TABLE]}
    assert Talk(desk, form="msgpack").ask(**request) == Talk(desk).ask(**request)


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
