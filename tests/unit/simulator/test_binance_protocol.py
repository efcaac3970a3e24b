"""Binance's protocol, read by the project's own parser."""

from __future__ import annotations

import itertools
import json

import pytest

from agents.ingestion.exchanges.binance import BinanceConnection
from agents.ingestion.exchanges.events import Notice, Trade, TradesLost
from tests.unit.simulator.client import Client, small_world


def _request(method: str, *streams: str, number: int = 1) -> str:
    return json.dumps({"method": method, "params": list(streams), "id": number})


def test_streams_are_subscribed_listed_and_ended() -> None:
    client = Client(small_world(), "binance", "stream")
    assert client.send(_request("SUBSCRIBE", "btcusdt@bookTicker", "ethusdt@trade")) == [
        '{"result":null,"id":1}'
    ]
    assert client.send(_request("UNSUBSCRIBE", "ethusdt@trade", number=2)) == [
        '{"result":null,"id":2}'
    ]
    (listed,) = client.send(_request("LIST_SUBSCRIPTIONS", number=3))
    assert json.loads(listed) == {"result": ["btcusdt@bookTicker"], "id": 3}
    streams = {json.loads(text)["stream"] for text in client.run(3)}
    assert streams == {"btcusdt@bookTicker"}


def test_streams_of_the_address_need_no_request() -> None:
    query = "streams=btcusdt@bookTicker/ethusdt@aggTrade"
    client = Client(small_world(), "binance", "stream", query)
    streams = {json.loads(text)["stream"] for text in client.run(5)}
    assert streams == {"btcusdt@bookTicker", "ethusdt@aggTrade"}


def test_raw_streams_have_no_envelope() -> None:
    client = Client(small_world(), "binance", "ws/btcusdt@bookTicker")
    frames = [json.loads(text) for text in client.run(3)]
    assert frames
    assert all(frame.keys() == {"u", "s", "b", "B", "a", "A"} for frame in frames)
    assert len(frames[0]["b"].partition(".")[2]) == 8


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nothing", 3),
        ('{"id":1}', 2),
        ('{"method":"DANCE","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":"btcusdt@trade","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
    ],
)
def test_a_bad_request_is_answered_with_an_error(message: str, code: int) -> None:
    client = Client(small_world(), "binance", "stream")
    (answer,) = client.send(message)
    assert json.loads(answer)["error"]["code"] == code
    assert client.session.closing is None


def test_unknown_streams_are_taken_and_stay_silent() -> None:
    client = Client(small_world(), "binance", "stream")
    assert client.send(_request("SUBSCRIBE", "foobar@trade")) == ['{"result":null,"id":1}']
    assert client.run(3) == []


def test_more_than_five_messages_a_second_end_the_connection() -> None:
    client = Client(small_world(), "binance", "stream")
    for number in range(5):
        client.send(_request("LIST_SUBSCRIPTIONS", number=number))
    assert client.session.closing is None
    client.run(1)
    for number in range(6):
        client.send(_request("LIST_SUBSCRIPTIONS", number=number))
    assert client.session.closing == (1008, "Too many requests")


def test_more_than_1024_streams_end_the_connection() -> None:
    client = Client(small_world(), "binance", "stream")
    client.send(_request("SUBSCRIBE", *(f"c{number}usdt@trade" for number in range(1_024))))
    assert client.session.closing is None
    client.send(_request("SUBSCRIBE", "btcusdt@trade"))
    assert client.session.closing is not None


def test_pings_come_every_20_seconds_and_want_a_pong_within_a_minute() -> None:
    client = Client(small_world(rate=5.0), "binance", "stream")
    pings = 0
    for _ in range(62):
        client.world.advance(client.world.now + 1_000_000_000)
        pings += sum(frame[0] == 0x89 for frame in client.session.outgoing)
        client.session.outgoing = []
    assert pings == 3
    assert client.session.closing == (1008, "Pong timeout")


def test_a_planned_stop_is_announced() -> None:
    client = Client(small_world(), "binance", "stream")
    client.feed.announce_stop(client.world.now)
    (frame,) = client.read()
    assert json.loads(frame)["stream"] == "!serverShutdown"
    assert [event.kind for event in client.events if isinstance(event, Notice)] == ["shutdown"]


def test_update_ids_rise_and_trade_ids_have_no_gap() -> None:
    client = Client(small_world(), "binance", "stream")
    client.send(_request("SUBSCRIBE", "btcusdt@bookTicker", "btcusdt@trade"))
    client.run(20)
    assert not client.memory.counts
    assert not any(isinstance(event, TradesLost) for event in client.events)
    assert client.kinds()["Trade"] > 20
    assert client.parsed_ticks() == client.logged_ticks()


def test_an_aggregate_trade_is_a_fill_of_one_or_more_trades() -> None:
    world = small_world()
    single, aggregate = Client(world, "binance", "ws"), Client(world, "binance", "ws")
    single.send(_request("SUBSCRIBE", "btcusdt@trade"))
    aggregate.send(_request("SUBSCRIBE", "btcusdt@aggTrade"))
    single.run(20)
    trades = {json.loads(t)["t"]: float(json.loads(t)["q"]) for t in single.texts if '"t"' in t}
    aggregates = [json.loads(text) for text in aggregate.read() if "aggTrade" in text]
    assert any(each["f"] != each["l"] for each in aggregates)
    for each in aggregates:
        parts = [trades[number] for number in range(each["f"], each["l"] + 1)]
        assert float(each["q"]) == pytest.approx(sum(parts))
    assert aggregate.parsed_ticks() == aggregate.logged_ticks()


@pytest.mark.parametrize("stream", ["depth@100ms", "depth"])
def test_depth_comes_into_step_with_its_rest_snapshot(stream: str) -> None:
    world = small_world()
    client = Client(world, "binance", "stream")
    client.send(_request("SUBSCRIBE", f"btcusdt@{stream}"))
    # In the middle of a batch.
    client.run(2.325)
    assert isinstance(client.parser, BinanceConnection)
    body = world.rest["binance"].answer(
        "api/v3/depth", {"symbol": "BTCUSDT", "limit": "1000"}, world.now
    )
    url = "http://127.0.0.1/api/v3/depth?symbol=BTCUSDT&limit=1000"
    parsed = client.parser.receive_rest(world.now, body.body.decode(), url)
    client.events += parsed.events
    depth = client.parser.depth("BTCUSDT")
    assert depth is not None
    for _ in range(60):
        client.run(1)
        assert depth.in_step
    client.run(0.675)
    synced = [e for e in client.events if isinstance(e, Notice) and e.kind == "synced"]
    assert len(synced) == 1
    updates = [json.loads(t)["data"] for t in client.texts if "depthUpdate" in t]
    for before, after in itertools.pairwise(updates):
        assert after["U"] == before["u"] + 1
    market = next(m for m in world.model.markets if m.listing.market == "binance:BTC-USDT")
    # At a whole second and a multiple of 100 ms all of it has been sent.
    assert depth.last_id == market.update_id
    assert depth.prices.best() == market.best_values()


def test_what_ingestion_subscribes_to_is_parsed_whole_and_noted_tick_for_tick() -> None:
    client = Client(small_world(), "binance", "stream")
    client.subscribe("BTCUSDT", "ETHUSDT", "XRPUSDT", "ETHBTC")
    client.run(30)
    assert client.kinds()["Quote"] > 1_000
    assert client.kinds()["Trade"] > 200
    assert client.parsed_ticks() == client.logged_ticks()
    assert not client.memory.guessed_symbols
    sides = {event.side for event in client.events if isinstance(event, Trade)}
    assert sides == {-1, 1}
