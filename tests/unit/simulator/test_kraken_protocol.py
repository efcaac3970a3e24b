"""Kraken's protocol, read by the project's own parser."""

from __future__ import annotations

import json

import pytest

from agents.ingestion.exchanges.events import GapBegins, Notice, Quote
from agents.ingestion.exchanges.kraken import KrakenConnection
from tests.unit.simulator.client import Client, small_world


def _subscribe(channel: str, *symbols: str, **parameters: object) -> str:
    params = {"channel": channel, "symbol": list(symbols)} | parameters
    return json.dumps({"method": "subscribe", "params": params, "req_id": 7})


def _checksums(client: Client) -> dict[bool, int]:
    assert isinstance(client.parser, KrakenConnection)
    return client.parser.checksums


def test_the_status_comes_first_with_an_id_that_no_float_holds() -> None:
    client = Client(small_world(), "kraken")
    status = json.loads(client.texts[0])
    assert status["channel"] == "status"
    assert status["data"][0]["system"] == "online"
    assert status["data"][0]["connection_id"] > 2**53


def test_every_symbol_gets_its_own_answer_and_a_bad_one_harms_no_other() -> None:
    client = Client(small_world(), "kraken")
    answers = [
        json.loads(text)
        for text in client.send(_subscribe("ticker", "BTC/USD", "FOO/BAR", "ETH/USD"))
    ]
    acks = [answer for answer in answers if "success" in answer]
    assert [answer["success"] for answer in acks] == [True, False, True]
    assert all(answer["req_id"] == 7 for answer in acks)
    assert acks[0]["result"] == {
        "channel": "ticker",
        "event_trigger": "trades",
        "snapshot": True,
        "symbol": "BTC/USD",
    }
    assert acks[1]["error"] == "Currency pair not supported FOO/BAR"
    assert acks[1]["symbol"] == "FOO/BAR"
    assert client.run(3)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("not json", "Malformed request"),
        ("[]", "Malformed request"),
        ('{"method":"dance"}', "Unsupported method"),
        ('{"method":"subscribe"}', "Missing params"),
        (_subscribe("nothing", "BTC/USD"), "Invalid channel nothing"),
        (_subscribe("book", "BTC/USD", depth=11), "Subscription depth not supported"),
        (_subscribe("ticker", "BTC/USD", event_trigger="x"), "Event trigger not supported"),
        (_subscribe("trade"), "Symbol(s) not found"),
    ],
)
def test_a_bad_request_is_refused_and_the_connection_stays(message: str, error: str) -> None:
    client = Client(small_world(), "kraken")
    (answer,) = client.send(message)
    assert json.loads(answer)["success"] is False
    assert json.loads(answer)["error"] == error
    assert client.session.closing is None
    assert any(isinstance(e, Notice) and e.kind == "rejected" for e in client.events)


def test_subscribing_twice_and_ending_what_is_not_there_are_refused() -> None:
    client = Client(small_world(), "kraken")
    client.send(_subscribe("trade", "BTC/USD", snapshot=False))
    (again,) = client.send(_subscribe("trade", "BTC/USD", snapshot=False))
    assert json.loads(again)["error"] == "Already subscribed"
    end = {"method": "unsubscribe", "params": {"channel": "ticker", "symbol": ["BTC/USD"]}}
    (answer,) = client.send(json.dumps(end))
    assert json.loads(answer)["error"] == "Subscription not found"
    end["params"]["channel"] = "trade"  # type: ignore[index]
    (answer,) = client.send(json.dumps(end))
    assert json.loads(answer)["success"] is True
    assert [text for text in client.run(3) if '"trade"' in text] == []


def test_a_ping_is_answered_with_its_id() -> None:
    client = Client(small_world(), "kraken")
    (pong,) = client.send('{"method":"ping","req_id":42}')
    assert json.loads(pong)["method"] == "pong"
    assert json.loads(pong)["req_id"] == 42


def test_a_heartbeat_comes_every_second_once_something_is_subscribed() -> None:
    client = Client(small_world(rate=1.0), "kraken")
    assert client.run(3) == []
    client.send(_subscribe("trade", "LTC/USD"))
    client.send(_subscribe("trade", "BTC/USD"))
    assert client.run(5).count('{"channel":"heartbeat"}') == 5


def test_a_ticker_by_bbo_tells_every_change_and_one_by_trades_only_trades() -> None:
    by_quote, by_trade = (Client(small_world(), "kraken") for _ in range(2))
    by_quote.send(_subscribe("ticker", "BTC/USD", event_trigger="bbo"))
    by_trade.send(_subscribe("ticker", "BTC/USD"))
    quotes = [text for text in by_quote.run(20) if "ticker" in text]
    trades = [text for text in by_trade.run(20) if "ticker" in text]
    assert len(quotes) > 3 * len(trades) > 0
    assert all('"type":"update"' in text for text in quotes)


def test_every_checksum_of_minutes_of_books_holds() -> None:
    """Four depths at once: the levels that come into and fall out of a depth are told rightly."""
    client = Client(small_world(rate=400.0), "kraken")
    world = client.world
    others = [Client(world, "kraken") for _ in range(2)]
    client.send(_subscribe("book", "BTC/USD", "ETH/USD", "SOL/USD", "ETH/BTC", depth=10))
    others[0].send(_subscribe("book", "BTC/USD", "ETH/USD", "XRP/USD", depth=25))
    others[1].send(_subscribe("book", "BTC/USD", "BNB/USD", depth=100))
    for _ in range(120):
        client.run(1)
        for other in others:
            other.read()
    for each in (client, *others):
        assert _checksums(each)[False] == 0
        assert _checksums(each)[True] > 1_000
        assert each.replies == []
        assert each.parsed_ticks() == each.logged_ticks()


def test_a_book_can_be_joined_at_any_time() -> None:
    world = small_world()
    early = Client(world, "kraken")
    early.send(_subscribe("book", "BTC/USD"))
    for _ in range(20):
        early.run(0.5)
        late = Client(world, "kraken")
        late.send(_subscribe("book", "BTC/USD"))
        late.run(0.5)
        assert _checksums(late)[False] == 0
        late.feed.close(late.session)
    early.read()
    assert _checksums(early)[False] == 0


def test_a_wrong_checksum_loses_the_book_and_resubscribing_brings_it_back() -> None:
    client = Client(small_world(), "kraken")
    client.send(_subscribe("book", "BTC/USD"))
    client.world.faults.checksums = 1
    client.run(5)
    assert _checksums(client)[False] == 1
    assert any(isinstance(event, GapBegins) for event in client.events)
    assert len(client.replies) == 2
    before = len(client.events)
    for reply in client.replies:
        client.send(reply)
    client.run(5)
    assert _checksums(client)[False] == 1
    assert any(isinstance(event, Quote) for event in client.events[before:])


def test_what_ingestion_subscribes_to_is_parsed_whole_and_noted_tick_for_tick() -> None:
    client = Client(small_world(), "kraken")
    client.subscribe("BTC/USD", "ETH/USD", "XRP/USD", "ETH/BTC")
    client.run(30)
    assert client.kinds()["Quote"] > 500
    assert client.kinds()["Trade"] > 100
    assert client.parsed_ticks() == client.logged_ticks()


def test_instruments_are_an_object_of_assets_and_pairs() -> None:
    client = Client(small_world(), "kraken")
    request = {"method": "subscribe", "params": {"channel": "instrument"}}
    _, snapshot = client.send(json.dumps(request))
    data = json.loads(snapshot)["data"]
    pair = next(pair for pair in data["pairs"] if pair["symbol"] == "BTC/USD")
    assert (pair["base"], pair["quote"], pair["status"]) == ("BTC", "USD", "online")
    assert pair["price_increment"] == pytest.approx(10.0 ** -pair["price_precision"])
    assert {"BTC", "USD"} <= {asset["id"] for asset in data["assets"]}


def test_nothing_is_sent_after_a_connection_is_gone() -> None:
    client = Client(small_world(), "kraken")
    client.subscribe("BTC/USD")
    client.feed.close(client.session)
    assert client.run(3) == []
