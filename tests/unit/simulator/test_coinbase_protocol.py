"""Coinbase's protocol, read by the project's own parser."""

from __future__ import annotations

import json

import pytest

from agents.ingestion.exchanges.coinbase import CoinbaseConnection
from agents.ingestion.exchanges.events import Quote, TickFlag, TradesLost
from tests.unit.simulator.client import Client, small_world


def _subscribe(*channels: object, products: tuple[str, ...] = ("BTC-USD",)) -> str:
    message = {"type": "subscribe", "product_ids": list(products), "channels": list(channels)}
    return json.dumps(message)


def _types(texts: list[str]) -> list[str]:
    return [json.loads(text)["type"] for text in texts]


def test_acknowledgements_are_cumulative_and_rename_channels() -> None:
    client = Client(small_world(), "coinbase")
    first = client.send(_subscribe("level2_batch", "matches"))
    assert json.loads(first[0])["channels"] == [
        {"name": "level2_50", "product_ids": ["BTC-USD"], "account_ids": None},
        {"name": "matches", "product_ids": ["BTC-USD"], "account_ids": None},
    ]
    second = client.send(_subscribe({"name": "ticker_batch", "product_ids": ["ETH-USD"]}))
    names = [channel["name"] for channel in json.loads(second[0])["channels"]]
    assert names == ["level2_50", "matches", "ticker_1000"]
    end = {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}
    (third,) = client.send(json.dumps(end))
    names = [channel["name"] for channel in json.loads(third)["channels"]]
    assert names == ["level2_50", "ticker_1000"]


def test_channels_begin_with_a_snapshot_the_last_match_and_the_last_ticker() -> None:
    client = Client(small_world(), "coinbase")
    frames = client.send(_subscribe("level2_batch", "matches", "ticker", "heartbeat"))
    assert _types(frames) == ["subscriptions", "snapshot", "last_match", "ticker"]
    snapshot = json.loads(frames[1])
    assert min(len(snapshot["bids"]), len(snapshot["asks"])) >= 200
    # It replays a trade from before the connection.
    assert json.loads(frames[3])["time"] < snapshot["time"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (_subscribe("ticker", products=("ETH-XYZ",)), "ETH-XYZ is not a valid product"),
        (_subscribe("dance"), "dance is not a valid channel"),
        (_subscribe("full"), "level2, level3, and full channels now require authentication."),
        (_subscribe("level2"), "level2, level3, and full channels now require authentication."),
        (_subscribe(), "expected channels and product_ids"),
        (_subscribe("ticker", products=()), "expected product_ids"),
        ("{", "expected a JSON object"),
        ('{"type":"hello"}', "hello is not a valid type"),
    ],
)
def test_a_bad_request_is_refused_as_a_whole(message: str, reason: str) -> None:
    client = Client(small_world(), "coinbase")
    (error,) = client.send(message)
    assert json.loads(error)["type"] == "error"
    assert json.loads(error)["reason"] == reason
    assert client.run(2) == []


def test_a_refused_request_says_that_subscribing_failed() -> None:
    client = Client(small_world(), "coinbase")
    (error,) = client.send(_subscribe("ticker", products=("BTC-USD", "ETH-XYZ")))
    assert json.loads(error)["message"] == "Failed to subscribe"


def test_who_does_not_subscribe_within_five_seconds_is_dropped() -> None:
    client, busy = Client(small_world(), "coinbase"), Client(small_world(), "coinbase")
    busy.send(_subscribe("heartbeat"))
    client.run(4)
    assert client.session.closing is None
    client.run(2)
    busy.run(6)
    assert client.session.closing is not None
    assert busy.session.closing is None


def test_a_heartbeat_a_second_and_product_tells_the_last_trade() -> None:
    client = Client(small_world(), "coinbase")
    client.send(_subscribe("heartbeat", "matches", products=("BTC-USD", "ETH-USD")))
    frames = [json.loads(text) for text in client.run(3)]
    beats = [frame for frame in frames if frame["type"] == "heartbeat"]
    assert len(beats) == 6
    last = dict[str, int]()
    for frame in frames:
        if frame["type"] == "match":
            last[frame["product_id"]] = frame["trade_id"]
        elif frame["product_id"] in last:
            assert frame["last_trade_id"] == last[frame["product_id"]]
    assert beats[0]["time"].endswith(".000000Z")


def test_a_ticker_comes_with_every_match_and_names_the_taker_where_the_match_names_the_maker() -> (
    None
):
    client = Client(small_world(), "coinbase")
    client.send(_subscribe("ticker", "matches"))
    frames = [json.loads(text) for text in client.run(10)]
    matches = [frame for frame in frames if frame["type"] == "match"]
    tickers = [frame for frame in frames if frame["type"] == "ticker"]
    assert len(matches) == len(tickers) > 20
    for match, ticker in zip(matches, tickers, strict=True):
        assert match["trade_id"] == ticker["trade_id"]
        assert match["price"] == ticker["price"]
        assert {match["side"], ticker["side"]} == {"buy", "sell"}


def test_book_changes_come_at_most_every_50_ms_and_the_book_is_the_markets() -> None:
    world = small_world()
    client = Client(world, "coinbase")
    client.send(_subscribe("level2_batch"))
    updates = [text for text in client.run(10) if "l2update" in text]
    assert 50 < len(updates) <= 200
    assert isinstance(client.parser, CoinbaseConnection)
    book = client.parser.book("BTC-USD")
    market = next(m for m in world.model.markets if m.listing.market == "coinbase:BTC-USD")
    assert book is not None
    assert book.best() == market.best_values()


def test_signed_requests_get_every_book_change_at_once() -> None:
    client = Client(small_world(), "coinbase")
    request = json.loads(_subscribe("level2"))
    request |= {"key": "k", "passphrase": "p", "signature": "s", "timestamp": "1"}
    client.send(json.dumps(request))
    updates = [text for text in client.run(10) if "l2update" in text]
    assert len(updates) > 200


def test_batched_tickers_come_at_most_once_a_second() -> None:
    client = Client(small_world(rate=2_000.0), "coinbase")
    client.send(_subscribe("ticker_batch"))
    tickers = [text for text in client.run(10) if '"ticker"' in text]
    assert 5 < len(tickers) <= 10


def test_what_ingestion_subscribes_to_is_parsed_whole_and_noted_tick_for_tick() -> None:
    client = Client(small_world(), "coinbase")
    client.subscribe("BTC-USD", "ETH-USD", "XRP-USD", "BTC-USDT")
    client.run(30)
    assert client.kinds()["Quote"] > 300
    assert client.kinds()["Trade"] > 100
    assert client.replies == []
    assert not any(isinstance(event, TradesLost) for event in client.events)
    assert client.parsed_ticks() == client.logged_ticks()
    quotes = [event for event in client.events if isinstance(event, Quote)]
    assert all(quote.bid < quote.ask for quote in quotes)
    assert {quote.flags for quote in quotes} <= {0, TickFlag.SNAPSHOT.value}
