"""What a client is answered: acks, snapshots, resuming, errors, keys."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from models.settings import Settings
from tests.unit.gateway.made import (
    BTC,
    ETH,
    START,
    Desk,
    feed,
    market,
    quote,
    quotes,
)
from tests.unit.gateway.made import spreads as second
from tests.unit.gateway.made import trades as traded
from tests.unit.gateway.talk import Talk


@pytest.fixture
def desk() -> Desk:
    """Return a gateway that knows three seconds of two markets."""
    desk = Desk(Settings(gateway_queue=64))
    for s in (1, 2, 3):
        desk.take(second(s, [BTC, ETH], spread=float(s)))
    return desk


def test_ack_then_snapshot_then_updates(desk: Desk) -> None:
    """The snapshot is where the key stands; the first update follows it."""
    talk = Talk(desk)
    ack, snapshot = talk.ask(op="subscribe", id=1, channel="spreads", keys=[BTC])
    assert ack == {"type": "subscribed", "id": 1, "channel": "spreads", "keys": [BTC]}
    assert (snapshot["type"], snapshot["key"], snapshot["seq"]) == ("snapshot", BTC, START + 3)
    assert snapshot["data"]["spread"] == 3.0
    desk.take(second(4))
    (update,) = talk.outlet.messages()
    assert (update["seq"], update["prev_seq"]) == (START + 4, snapshot["seq"])


def test_every_key_has_one_snapshot(desk: Desk) -> None:
    """Also with `*`, and also a key that is named beside it; updates come as batches."""
    talk = Talk(desk)
    ack, *snapshots = talk.ask(op="subscribe", id="x", channel="spreads", keys=[BTC, "*"])
    assert ack["keys"] == [BTC, "*"]
    assert [(each["type"], each["key"]) for each in snapshots] == [
        ("snapshot", BTC),
        ("snapshot", ETH),
    ]
    desk.take(second(4, [BTC, ETH]))
    assert [message["type"] for message in talk.outlet.messages()] == ["batch"]


def test_a_key_without_a_value_has_an_empty_snapshot(desk: Desk) -> None:
    """Null, with a reason; the first value is an update."""
    talk = Talk(desk)
    _, snapshot = talk.ask(op="subscribe", channel="quotes", keys=[BTC])
    assert (snapshot["seq"], snapshot["data"], snapshot["reasons"]) == (
        None,
        None,
        {"data": "warming"},
    )
    desk.take(quotes(7, 1.0, {BTC: quote(0.5)}))
    (update,) = talk.outlet.messages()
    assert (update["seq"], update["prev_seq"]) == (7, None)


def test_feeds_and_trades_have_their_own_numbers(desk: Desk) -> None:
    """Feeds: offset. Trades: the last ones in one snapshot, then each by itself."""
    desk.take(feed(11), traded(5, 2))
    talk = Talk(desk)
    _, snapshot = talk.ask(op="subscribe", channel="feeds", keys=[BTC])
    assert (snapshot["seq"], snapshot["data"]["status"]) == (11, "live")
    _, snapshot = talk.ask(op="subscribe", channel="trades", keys=[BTC])
    assert [each["seq"] for each in snapshot["data"]["trades"]] == [5 << 16, (5 << 16) + 1]
    desk.take(traded(6, 2))
    assert [(each["seq"], each["prev_seq"]) for each in talk.outlet.messages()] == [
        (6 << 16, (5 << 16) + 1),
        ((6 << 16) + 1, 6 << 16),
    ]


@pytest.mark.parametrize("point", [START + 1, "2026-03-01T12:00:01Z", "2026-03-01T13:00:01+01:00"])
def test_resume_follows_from_there(desk: Desk, point: int | str) -> None:
    """The missed updates instead of a snapshot; also by `as_of`, with any offset."""
    _, *missed = Talk(desk).ask(op="subscribe", channel="spreads", keys=[BTC], resume={BTC: point})
    assert [(each["type"], each["seq"] - START, each["prev_seq"] - START) for each in missed] == [
        ("update", 2, 1),
        ("update", 3, 2),
    ]


def test_resume_of_everything_is_by_one_as_of(desk: Desk) -> None:
    """A batch a step."""
    _, *missed = Talk(desk).ask(
        op="subscribe", channel="spreads", keys=["*"], resume={"*": "2026-03-01T12:00:01Z"}
    )
    assert [(each["type"], [item["key"] for item in each["items"]]) for each in missed] == [
        ("batch", [BTC, ETH]),
        ("batch", [BTC, ETH]),
    ]


def test_resume_from_too_long_ago_is_a_snapshot(desk: Desk) -> None:
    """And of one that is up to date nothing is missed."""
    talk = Talk(desk)
    _, snapshot = talk.ask(op="subscribe", channel="spreads", keys=[BTC], resume={BTC: START - 5})
    assert snapshot["type"] == "snapshot"
    assert (
        len(talk.ask(op="subscribe", channel="spreads", keys=[ETH], resume={ETH: START + 3})) == 1
    )


@pytest.mark.parametrize(
    ("request_", "code", "detail"),
    [
        ({"op": "subscribe", "channel": "books", "keys": [BTC]}, "unknown_channel", "'books'"),
        ({"op": "subscribe", "channel": "bars", "keys": [BTC]}, "unknown_key", "USD|1m, was"),
        ({"op": "subscribe", "channel": "bars", "keys": [f"{BTC}|7m"]}, "unknown_key", "|7m"),
        ({"op": "subscribe", "channel": "correlations", "keys": ["1h.kendall"]},
         "unknown_key", "tables"),
        ({"op": "subscribe", "channel": "spreads", "keys": ["x"]}, "unknown_key", "'x'"),
        ({"op": "subscribe", "channel": "spreads", "keys": []}, "bad_request", "at least one"),
        ({"op": "subscribe", "channel": "spreads"}, "bad_request", "keys"),
        ({"op": "subscribe", "channel": "spreads", "keys": [BTC], "interval_ms": 1},
         "bad_request", "interval_ms"),
        ({"op": "subscribe", "channel": "trades", "keys": [BTC], "interval_ms": 500},
         "bad_request", "counts"),
        ({"op": "subscribe", "channel": "spreads", "keys": [BTC], "resume": {ETH: 1}},
         "bad_request", "resume"),
        ({"op": "subscribe", "channel": "quotes", "keys": [BTC], "resume": {BTC: "x"}},
         "bad_request", "seq"),
        ({"op": "subscribe", "channel": "quotes", "keys": ["*"], "resume": {"*": 1}},
         "bad_request", "'*'"),
        ({"op": "subscribe", "channel": "spreads", "keys": [BTC], "resume": {BTC: "yesterday"}},
         "bad_request", "yesterday"),
        ({"op": "subscribe", "channel": "spreads", "keys": [BTC], "coins": ["BTC"]},
         "bad_request", "coins"),
        ({"op": "subscribe", "channel": "spreads", "keys": [BTC], "intervall": 5},
         "bad_request", "intervall"),
        ({"op": "unsubscribe", "channel": "news", "keys": [BTC]}, "unknown_channel", "'news'"),
        ({"op": "dance"}, "bad_request", "dance"),
        ({}, "bad_request", "op"),
    ],
)  # fmt: skip
def test_errors_say_what_was_expected(
    desk: Desk, request_: dict[str, Any], code: str, detail: str
) -> None:
    """With the id of the request; the socket stays up and nothing was subscribed."""
    talk = Talk(desk)
    (error,) = talk.ask(id=9, **request_)
    assert (error["type"], error["id"], error["code"]) == ("error", 9, code)
    assert detail in error["detail"]
    desk.take(second(4, [BTC, ETH]))
    assert talk.outlet.messages() == []
    assert talk.ask(op="ping", id=3)[0]["type"] == "pong"


def test_malformed_three_times_ends_it(desk: Desk) -> None:
    """Twice it is an error, the third time 1008."""
    talk = Talk(desk)
    for _ in range(2):
        talk.session.take("{no json")
        assert [each["code"] for each in talk.outlet.messages()] == ["malformed"]
    talk.session.take(b"\xff\xff")
    assert talk.outlet.ended is not None
    assert talk.outlet.ended[0] == 1008


def test_msgpack_clients_may_ask_in_either(desk: Desk) -> None:
    """Binary frames are msgpack, text frames are JSON."""
    talk = Talk(desk, form="msgpack")
    talk.session.take(msgspec.msgpack.encode({"op": "ping", "id": 1}))
    talk.session.take('{"op":"ping","id":2}')
    assert [each["id"] for each in talk.outlet.messages()] == [1, 2]


class TestKeys:
    """Where keys are needed."""

    @pytest.fixture
    def locked(self) -> Desk:
        """Return a gateway with a key."""
        desk = Desk(Settings(api_keys=[SecretStr("good"), SecretStr("better")]))
        desk.take(market())
        return desk

    def test_a_good_header_is_enough(self, locked: Desk) -> None:
        """Any of the keys."""
        for key in ("good", "better"):
            assert Talk(locked, key).ask(op="ping")[0]["type"] == "pong"

    def test_a_bad_header_ends_it_at_once(self, locked: Desk) -> None:
        """4401."""
        ended = Talk(locked, "bad").outlet.ended
        assert ended is not None
        assert ended[0] == 4401

    def test_the_first_message_may_bring_the_key(self, locked: Desk) -> None:
        """Before it nothing is answered but errors, and nothing is sent."""
        talk = Talk(locked)
        (error,) = talk.ask(op="subscribe", id=1, channel="spreads", keys=["*"])
        assert (error["id"], error["code"]) == (1, "unauthorized")
        locked.gateway.beat()
        assert talk.outlet.messages() == []
        assert talk.ask(op="auth", id=2, key="good") == [{"type": "authenticated", "id": 2}]
        talk.session.close_unauthenticated()
        assert talk.outlet.ended is None
        locked.gateway.beat()
        assert [each["type"] for each in talk.outlet.messages()] == ["heartbeat"]

    def test_a_bad_first_message_or_none_ends_it(self, locked: Desk) -> None:
        """4401 either way."""
        bad, late = Talk(locked), Talk(locked)
        bad.ask(op="auth", key="no")
        late.session.close_unauthenticated()
        for talk in (bad, late):
            assert talk.outlet.ended is not None
            assert talk.outlet.ended[0] == 4401
