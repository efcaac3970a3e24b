"""Who gets what: audiences, batches, sharing, slow clients, intervals, statuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.settings import Settings
from services.gateway.hub.client import Client
from services.gateway.hub.messages import ErrorMessage, frame
from tests.unit.gateway.made import (
    BTC,
    ETH,
    SECOND,
    START,
    Desk,
    FakeOutlet,
    payloads,
    quote,
    quotes,
)
from tests.unit.gateway.made import last_spreads as last_second
from tests.unit.gateway.made import spreads as second
from tests.unit.gateway.made import trades as traded


def numbers(messages: list[dict[str, Any]]) -> list[tuple[str, int, int | None]]:
    """Return type, `seq` and `prev_seq` of single messages, in seconds after START."""
    return [
        (
            message["type"],
            message["seq"] - START,
            None if message["prev_seq"] is None else message["prev_seq"] - START,
        )
        for message in messages
        if "seq" in message
    ]


def subscribed(desk: Desk, *keys: str, channel: str = "spreads", every: int = 0) -> FakeOutlet:
    """Return the outlet of a client that wants these keys."""
    client, outlet = desk.client()
    desk.hub.subscribe(client, channel, keys, every)
    return outlet


def test_one_key_gets_updates_many_get_batches() -> None:
    """One message a step for `*` and for several keys; nobody gets what is not wanted."""
    desk = Desk()
    one, many = subscribed(desk, BTC), subscribed(desk, BTC, ETH)
    every, other = subscribed(desk, "*"), subscribed(desk, "kraken:ADA-USD")
    desk.take(second(1, [BTC, ETH, "kraken:SOL-USD"]))
    (update,) = one.messages()
    assert list(update) == [
        "type", "channel", "key", "seq", "prev_seq", "ts_event", "ts_publish", "data",
    ]  # fmt: skip
    assert (update["type"], update["key"], update["seq"]) == ("update", BTC, START + 1)
    assert (update["ts_event"], update["ts_publish"]) == (
        "2026-03-01T12:00:01Z",
        "2026-03-01T12:00:00.001000Z",
    )
    assert update["data"]["market"] == BTC
    (batch,) = many.messages()
    assert (batch["type"], [item["key"] for item in batch["items"]]) == ("batch", [BTC, ETH])
    (batch,) = every.messages()
    assert len(batch["items"]) == 3
    assert other.messages() == []


def test_the_bytes_are_shared() -> None:
    """Clients with the same wish get the very same bytes: an update is serialised once."""
    desk = Desk()
    written: list[bytes] = []

    class Outlet(FakeOutlet):
        def write(self, frames: bytes) -> None:
            written.append(frames)

    for _ in range(3):
        client = Client(Outlet(), "json", 16, desk.hub.tally)
        desk.hub.join(client)
        desk.hub.subscribe(client, "spreads", ["*"], 0)
    desk.take(second(1))
    assert len(written) == 3
    assert written[0] is written[1] is written[2]
    assert desk.hub.tally.deliveries == 3


def test_repeats_are_not_sent() -> None:
    """What is not above the last sent is dropped, as after a worker's crash."""
    desk = Desk()
    outlet = subscribed(desk, BTC)
    desk.take(*(second(s) for s in (1, 2, 3)))
    desk.take(*(second(s) for s in (2, 3, 4)))
    assert numbers(outlet.messages()) == [
        ("update", 1, None), ("update", 2, 1), ("update", 3, 2), ("update", 4, 3),
    ]  # fmt: skip


def test_both_formats_say_the_same() -> None:
    """A msgpack client gets the same message in binary frames."""
    desk = Desk()
    json_outlet = subscribed(desk, "*")
    client, outlet = desk.client("msgpack")
    desk.hub.subscribe(client, "spreads", ["*"], 0)
    desk.take(second(1, [BTC, ETH]))
    assert outlet.messages() == json_outlet.messages()


def test_a_slow_client_gets_the_newest_and_is_told() -> None:
    """Beyond the limit the newest per key waits; `conflated` says how many were left out."""
    desk = Desk()
    slow, quick = subscribed(desk, BTC), subscribed(desk, BTC)
    desk.take(second(1))
    slow.is_full = True
    for s in range(2, 40):
        desk.take(second(s))
    desk.gateway.beat()
    assert numbers(slow.messages()) == [("update", 1, None)]
    slow.become_free()
    conflated, update = slow.messages()
    assert conflated == {"type": "conflated", "dropped": 37}
    assert numbers([update]) == [("update", 39, 1)]
    desk.take(second(40))
    assert numbers(slow.messages()) == [("update", 40, 39)]
    assert len(numbers(quick.messages())) == 40
    assert desk.hub.tally.dropped == 37


def test_a_slow_client_within_the_limit_misses_nothing() -> None:
    """What waited comes in order, without a word about it."""
    desk = Desk()
    slow = subscribed(desk, BTC)
    slow.is_full = True
    desk.take(second(1))
    desk.take(second(2))
    slow.become_free()
    assert numbers(slow.messages()) == [("update", 1, None), ("update", 2, 1)]


def test_too_slow_for_trades_ends_the_connection() -> None:
    """Trades cannot be left out: 1013, and nothing after it."""
    desk = Desk()
    slow = subscribed(desk, BTC, channel="trades")
    slow.is_full = True
    for offset in range(1, 30):
        desk.take(traded(offset))
    assert slow.ended is not None
    assert slow.ended[0] == 1013
    slow.become_free()
    assert slow.messages() == []


def test_an_interval_asks_for_the_newest_now_and_then() -> None:
    """At most one message an interval, chained to the one before; nothing is said about it."""
    desk = Desk()
    outlet = subscribed(desk, BTC, every=1000)
    for s in (1, 2, 3):
        desk.take(second(s))
    assert outlet.messages() == []
    assert [planned.delay_s for planned in desk.schedule.planned] == [1.0]
    desk.schedule.run()
    assert numbers(outlet.messages()) == [("update", 3, None)]
    for s in (4, 5):
        desk.take(second(s))
    desk.schedule.run()
    assert numbers(outlet.messages()) == [("update", 5, 3)]


def test_a_new_wish_sends_what_waited_first() -> None:
    """Nothing is lost, and nothing comes twice, when an interval ends with a new wish."""
    desk = Desk()
    client, outlet = desk.client()
    desk.hub.subscribe(client, "spreads", [BTC], 1000)
    desk.take(second(1))
    desk.hub.subscribe(client, "spreads", [BTC], 0)
    assert numbers(outlet.messages()) == [("update", 1, None)]
    desk.schedule.run()
    desk.take(second(2))
    assert numbers(outlet.messages()) == [("update", 2, 1)]


def test_who_leaves_gets_nothing_more() -> None:
    """Of the keys left, of a channel left, and after leaving altogether."""
    desk = Desk()
    client, outlet = desk.client()
    desk.hub.subscribe(client, "spreads", [BTC, ETH], 0)
    desk.hub.unsubscribe(client, "spreads", [ETH])
    desk.take(second(1, [BTC, ETH]))
    assert [message["key"] for message in outlet.messages()] == [BTC]
    desk.hub.unsubscribe(client, "spreads", ["*"])
    desk.take(second(2, [BTC, ETH]))
    assert outlet.messages() == []
    desk.hub.subscribe(client, "spreads", ["*"], 0)
    desk.hub.leave(client)
    desk.take(second(3, [BTC, ETH]))
    assert outlet.messages() == []
    assert desk.hub.clients == {}


def test_status_goes_to_everyone_with_the_market() -> None:
    """Once each, whatever the channel; the reason and when it was are with it."""
    desk = Desk()
    client, outlet = desk.client()
    desk.hub.subscribe(client, "spreads", [BTC], 0)
    desk.hub.subscribe(client, "trades", ["*"], 0)
    other = subscribed(desk, ETH, channel="quotes")
    desk.take(quotes(0, 1.0, {BTC: quote(0.9)}))
    desk.take(quotes(1, 2.0, unseen=[(BTC, 1.0, 2.0, "gap")]))
    desk.take(quotes(2, 3.0, {BTC: quote(2.5)}))
    assert outlet.messages() == [
        {"type": "status", "channel": "feeds", "key": BTC, "status": status, "reason": reason,
         "ts_event": time}
        for status, reason, time in (
            ("gap", "gap", "2026-03-01T12:00:02Z"), ("live", None, "2026-03-01T12:00:03Z"),
        )
    ]  # fmt: skip
    assert other.messages() == []


def test_a_late_line_is_told_once() -> None:
    """In live mode only: when it becomes late, and when it is in time again."""
    desk = Desk(Settings(source="simulated"))
    outlet = subscribed(desk, BTC)
    desk.take(second(1))
    outlet.messages()
    for seconds in (3.0, 7.0, 8.0):
        desk.clock.seconds = START + seconds
        desk.gateway.beat()
    desk.take(second(8))
    desk.gateway.beat()
    told = [message for message in outlet.messages() if message["type"] == "status"]
    assert [(message["status"], message["reason"]) for message in told] == [
        ("line_delayed", "line_delayed"),
        ("live", None),
    ]


def test_a_status_is_not_told_twice() -> None:
    """What a market comes to while its line is late is told when the line is in time again."""
    desk = Desk(Settings(source="simulated"))
    outlet = subscribed(desk, BTC)
    desk.take(second(1), quotes(0, 1.0, {BTC: quote(0.9)}))
    desk.clock.seconds = START + 7.0
    desk.gateway.beat()
    desk.take(quotes(1, 6.0, {BTC: quote(5.5)}, unseen=[(BTC, 1.0, 5.0, "gap")]))
    desk.take(quotes(2, 7.0, unseen=[(BTC, 6.0, 7.0, "stale")]))
    desk.take(second(7))
    desk.gateway.beat()
    desk.take(quotes(3, 8.0, {BTC: quote(7.5)}))
    told = [message for message in outlet.messages() if message["type"] == "status"]
    assert [message["status"] for message in told] == ["line_delayed", "stale", "live"]


def test_a_market_that_is_down_is_not_late() -> None:
    """Its last row stands until it is seen again; a source without a word is late all the same."""
    desk = Desk(Settings(source="simulated"))
    outlet = subscribed(desk, BTC)
    desk.take(second(1), quotes(0, 1.0, {BTC: quote(0.9)}))
    desk.take(quotes(1, 20.0, unseen=[(BTC, 1.0, 20.0, "down")]), last_second(20, {"bid": "down"}))
    outlet.messages()
    for offset, clock in enumerate((25.0, 60.0), 2):
        desk.take(quotes(offset, clock, unseen=[(BTC, 1.0, clock, "down")]))
        desk.clock.seconds = START + clock + 1.0
        desk.gateway.beat()
    assert [each["type"] for each in outlet.messages()] == ["heartbeat", "heartbeat"]
    figures = desk.gateway.memory.spreads.figures(BTC)
    assert figures is not None
    assert (figures["stale"], figures["reasons"]) == (True, {"bid": "down"})
    desk.clock.seconds += 6.0
    desk.gateway.beat()
    assert outlet.messages()[0]["status"] == "line_delayed"
    figures = desk.gateway.memory.spreads.figures(BTC)
    assert figures is not None
    assert figures["reasons"]["as_of"] == "line_delayed"
    desk.take(quotes(4, 67.0, {BTC: quote(66.9)}))
    figures = desk.gateway.memory.spreads.figures(BTC)
    assert figures is not None
    assert figures["reasons"]["as_of"] == "line_delayed"


def test_a_replay_is_never_late() -> None:
    """Its times are as old as they are."""
    desk = Desk()
    outlet = subscribed(desk, BTC)
    desk.take(second(1))
    desk.clock.seconds = START + 1e6
    desk.gateway.beat()
    assert [message["type"] for message in outlet.messages()] == ["update", "heartbeat"]
    assert desk.gateway.memory.delay.now() == int((START + 1e6) * SECOND)


@pytest.mark.parametrize("size", [10, 125, 126, 65_535, 65_536, 70_000])
def test_frames_of_every_length_are_whole(size: int) -> None:
    """The three forms of a length in a websocket frame."""
    empty = len(json.dumps({"type": "error", "id": None, "code": "", "detail": ""})) - 7
    message = ErrorMessage(None, "", "x" * max(size - empty, 0))
    ((opcode, payload),) = payloads(frame(message, "json"))
    assert opcode == 1
    assert json.loads(payload)["detail"] == message.detail
