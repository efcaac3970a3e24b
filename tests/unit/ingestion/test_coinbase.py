"""Coinbase frames, by the rules of docs/from-frames-to-figures.md, sections 1 to 3."""

from __future__ import annotations

import json
import math

import pytest

from agents.ingestion.exchanges.coinbase import CoinbaseConnection
from agents.ingestion.exchanges.events import GapBegins, Notice, Quote, Trade, TradesLost
from agents.ingestion.exchanges.memory import ExchangeMemory
from models.errors import FrameError
from tests.unit.ingestion.frames import (
    all_of,
    at,
    coinbase_ack,
    coinbase_heartbeat,
    coinbase_match,
    coinbase_snapshot,
    coinbase_ticker,
    coinbase_update,
    iso,
    only,
)

BTC = "coinbase:BTC-USD"
BIDS, ASKS = [("100", "1"), ("99", "2")], [("101", "3"), ("102", "4")]


@pytest.fixture
def memory() -> ExchangeMemory:
    return ExchangeMemory()


@pytest.fixture
def connection(memory: ExchangeMemory) -> CoinbaseConnection:
    return CoinbaseConnection(memory)


def test_an_acknowledgement_serves_what_it_names_once(connection: CoinbaseConnection) -> None:
    ack = coinbase_ack(level2_50=["BTC-USD"], matches=["BTC-USD", "ETH-USD"], heartbeat=["X-USD"])
    parsed = connection.receive(at(0), ack)
    assert parsed.serves == (
        ("quotes", BTC),
        ("trades", BTC),
        ("trades", "coinbase:ETH-USD"),
    )
    assert only(parsed, Notice).kind == "subscribed"
    again = connection.receive(at(1), coinbase_ack(ticker=["ETH-USD"], matches=["BTC-USD"]))
    assert again.serves == (("quotes", "coinbase:ETH-USD"),)


def test_data_serves_without_an_acknowledgement(connection: CoinbaseConnection) -> None:
    assert connection.receive(at(0), coinbase_match(1, iso(0))).serves == (("trades", BTC),)
    assert connection.receive(at(0), coinbase_ticker("1", "2", iso(0))).serves == (("quotes", BTC),)
    assert connection.receive(at(0), coinbase_match(2, iso(0))).serves == ()


def test_the_frame_time_is_the_frames_own(connection: CoinbaseConnection) -> None:
    assert connection.receive(at(1), coinbase_heartbeat(iso(0.9))).frame_time == at(0.9)


def test_a_frame_without_a_time_counts_as_receive_less_skew(connection: CoinbaseConnection) -> None:
    assert connection.receive(at(0), coinbase_ack()).frame_time == at(0)
    connection.receive(at(1), coinbase_heartbeat(iso(0.9)))
    connection.receive(at(2), coinbase_heartbeat(iso(1.7)))
    assert connection.receive(at(3), coinbase_ack()).frame_time == at(2.9)
    assert connection.frame_time_without_own(at(4)) == at(3.9)
    timeless = connection.receive(at(5), coinbase_match(1, None))
    assert (timeless.frame_time, only(timeless, Trade).time) == (at(4.9), at(4.9))
    assert only(timeless, Trade).own_time == 0


def test_connections_share_the_skew(connection: CoinbaseConnection, memory: ExchangeMemory) -> None:
    connection.receive(at(1), coinbase_heartbeat(iso(0.9)))
    assert CoinbaseConnection(memory).receive(at(3), coinbase_ack()).frame_time == at(2.9)


def test_a_time_far_ahead_is_clamped(
    connection: CoinbaseConnection, memory: ExchangeMemory
) -> None:
    parsed = connection.receive(at(1), coinbase_match(1, iso(4)))
    trade = only(parsed, Trade)
    assert (parsed.frame_time, trade.time, trade.own_time, trade.flags) == (at(3), at(3), at(4), 16)
    assert memory.counts["clamped_time"] == 1
    assert connection.frame_time_without_own(at(1)) == at(1)


def test_a_match_is_the_takers_trade(connection: CoinbaseConnection) -> None:
    sold = only(connection.receive(at(1), coinbase_match(5, iso(0.9), side="buy")), Trade)
    assert sold == Trade(BTC, at(0.9), at(0.9), 100.5, 0.25, -1, 5, 0)
    assert only(connection.receive(at(1), coinbase_match(6, iso(1), side="sell")), Trade).side == 1


def test_repeated_trades_are_dropped_over_connections(
    connection: CoinbaseConnection, memory: ExchangeMemory
) -> None:
    connection.receive(at(1), coinbase_match(5, iso(1)))
    other = CoinbaseConnection(memory)
    repeated = other.receive(at(1), coinbase_match(5, iso(1)))
    assert (repeated.events, repeated.serves) == ((), (("trades", BTC),))
    assert memory.counts["repeated_trade"] == 1
    assert all_of(other.receive(at(1), coinbase_match(6, iso(1))), Trade)


def test_a_skipped_trade_id_tells_how_many_were_lost(connection: CoinbaseConnection) -> None:
    connection.receive(at(1), coinbase_match(5, iso(1)))
    parsed = connection.receive(at(2), coinbase_match(9, iso(2)))
    lost, trade = parsed.events
    assert lost == TradesLost(BTC, 3, at(2))
    assert isinstance(trade, Trade)


def test_a_skip_before_a_connections_first_trade_is_no_loss(
    connection: CoinbaseConnection, memory: ExchangeMemory
) -> None:
    connection.receive(at(1), coinbase_match(5, iso(1)))
    other = CoinbaseConnection(memory)
    assert not all_of(other.receive(at(2), coinbase_match(9, iso(2))), TradesLost)
    assert only(other.receive(at(2), coinbase_match(11, iso(2))), TradesLost).count == 1


def test_the_last_match_only_sets_the_last_id(
    connection: CoinbaseConnection, memory: ExchangeMemory
) -> None:
    """It is a snapshot: its own time enters neither the frame time nor the skew."""
    connection.receive(at(0.5), coinbase_heartbeat(iso(0.4)))
    parsed = connection.receive(at(1), coinbase_match(7, iso(0.5), kind="last_match"))
    assert parsed.frame_time == at(0.9)
    assert (parsed.events, parsed.serves) == ((), (("trades", BTC),))
    assert not connection.receive(at(1), coinbase_match(7, iso(1))).events
    assert memory.counts["repeated_trade"] == 1


def test_the_first_ticker_is_a_snapshot_and_the_next_is_not(
    connection: CoinbaseConnection,
) -> None:
    connection.receive(at(1), coinbase_heartbeat(iso(0.9)))
    first = connection.receive(at(2), coinbase_ticker("100", "101", iso(0)))
    assert first.frame_time == at(1.9)
    assert only(first, Quote) == Quote(BTC, at(1.9), 0, 100.0, 1.0, 101.0, 2.0, 8)
    second = connection.receive(at(3), coinbase_ticker("100", "101", iso(2.8)))
    assert only(second, Quote) == Quote(BTC, at(2.8), at(2.8), 100.0, 1.0, 101.0, 2.0, 0)


def test_every_product_has_its_own_first_ticker(connection: CoinbaseConnection) -> None:
    connection.receive(at(1), coinbase_ticker("1", "2", iso(0)))
    parsed = connection.receive(at(1), coinbase_ticker("1", "2", iso(0), product="ETH-USD"))
    assert only(parsed, Quote).flags == 8


@pytest.mark.parametrize(
    ("bid", "ask", "flags"), [("101", "100", 2), ("100", "100.0", 4), ("99", "100", 0)]
)
def test_crossed_and_locked_quotes_are_flagged(
    connection: CoinbaseConnection, bid: str, ask: str, flags: int
) -> None:
    connection.receive(at(1), coinbase_ticker("1", "2", iso(1)))
    parsed = connection.receive(at(1), coinbase_ticker(bid, ask, iso(1)))
    assert only(parsed, Quote).flags == flags


def test_a_side_of_size_zero_is_missing(connection: CoinbaseConnection) -> None:
    connection.receive(at(1), coinbase_ticker("1", "2", iso(1)))
    quote = only(
        connection.receive(at(1), coinbase_ticker("9", "2", iso(1), bid_size="0.0")), Quote
    )
    assert math.isnan(quote.bid)
    assert math.isnan(quote.bid_size)
    assert (quote.ask, quote.ask_size, quote.flags) == (2.0, 2.0, 32)


def test_a_snapshot_gives_a_quote_at_receive_less_skew(connection: CoinbaseConnection) -> None:
    connection.receive(at(1), coinbase_heartbeat(iso(0.9)))
    parsed = connection.receive(at(2), coinbase_snapshot(BIDS, ASKS))
    assert parsed.frame_time == at(1.9)
    assert parsed.events == (Quote(BTC, at(1.9), 0, 100.0, 1.0, 101.0, 3.0, 8),)


def test_an_update_gives_a_quote_only_when_the_best_changes(connection: CoinbaseConnection) -> None:
    connection.receive(at(1), coinbase_snapshot(BIDS, ASKS))
    deep = coinbase_update([("buy", "99", "5"), ("sell", "103", "1")], iso(1))
    assert connection.receive(at(1), deep).events == ()
    size = connection.receive(at(2), coinbase_update([("buy", "100", "7")], iso(2)))
    assert size.events == (Quote(BTC, at(2), at(2), 100.0, 7.0, 101.0, 3.0, 0),)
    gone = coinbase_update([("buy", "100", "0.000"), ("sell", "100.5", "1")], iso(3))
    assert only(connection.receive(at(3), gone), Quote) == Quote(
        BTC, at(3), at(3), 99.0, 5.0, 100.5, 1.0, 0
    )


def test_an_emptied_side_gives_one_one_sided_quote(connection: CoinbaseConnection) -> None:
    connection.receive(at(1), coinbase_snapshot([("100", "1")], ASKS))
    emptied = connection.receive(at(2), coinbase_update([("buy", "100", "0")], iso(2)))
    assert only(emptied, Quote).flags == 32
    unchanged = connection.receive(at(3), coinbase_update([("sell", "110", "1")], iso(3)))
    assert unchanged.events == ()


@pytest.mark.parametrize("name", ["level2", "level2_50", "level2_batch"])
def test_the_book_outranks_the_ticker_from_its_acknowledgement_on(
    connection: CoinbaseConnection, name: str
) -> None:
    assert all_of(connection.receive(at(1), coinbase_ticker("1", "2", iso(1))), Quote)
    connection.receive(at(2), coinbase_ack(**{name: ["BTC-USD"]}))
    assert not connection.receive(at(3), coinbase_ticker("1", "2", iso(3))).events
    assert all_of(connection.receive(at(4), coinbase_snapshot(BIDS, ASKS)), Quote)


def test_an_update_before_the_snapshot_is_a_gap_until_the_snapshot(
    connection: CoinbaseConnection,
) -> None:
    update = coinbase_update([("buy", "100", "7")], iso(1))
    parsed = connection.receive(at(1), update)
    assert only(parsed, GapBegins).market == BTC
    assert [json.loads(reply)["type"] for reply in parsed.replies] == ["unsubscribe", "subscribe"]
    assert json.loads(parsed.replies[1])["product_ids"] == ["BTC-USD"]
    again = connection.receive(at(2), update)
    assert (again.events, again.replies) == ((), ())
    synced, quote = connection.receive(at(3), coinbase_snapshot(BIDS, ASKS)).events
    assert isinstance(synced, Notice)
    assert isinstance(quote, Quote)
    assert quote.bid_size == 1.0
    (later,) = connection.receive(at(4), coinbase_snapshot(BIDS, ASKS)).events
    assert isinstance(later, Quote)


def test_a_refused_request_is_told(connection: CoinbaseConnection) -> None:
    frame = json.dumps({"type": "error", "message": "Failed to subscribe", "reason": "no X-USD"})
    notice = only(connection.receive(at(1), frame), Notice)
    assert notice == Notice("error", None, "Failed to subscribe: no X-USD")


@pytest.mark.parametrize("frame", ['{"type":"auction"}', '{"type":"status","products":[]}'])
def test_an_unknown_type_is_an_unknown_message(connection: CoinbaseConnection, frame: str) -> None:
    with pytest.raises(FrameError) as caught:
        connection.receive(at(1), frame)
    assert caught.value.reason == "unknown_message"


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '{"type":3}',
        '"match"',
        "\ud800",
        "[" * 100_000,
        coinbase_match(2**63, iso(1)),
        coinbase_match(-1, iso(1)),
        coinbase_match(1, "noon"),
        coinbase_match(1, iso(1), side="up"),
        coinbase_match(1, iso(1), price="0"),
        coinbase_match(1, iso(1), price="NaN"),
        coinbase_match(1, iso(1), product="BTCUSD"),
        coinbase_match(1, iso(1), product="btc-usd"),
        coinbase_match(1, iso(1)).replace('"0.25"', "0.25"),
        coinbase_match(1, iso(1)).replace('"0.25"', '"-0.25"'),
        coinbase_ticker("1", "2", iso(1)).replace("best_ask_size", "best_size"),
        coinbase_match(1, iso(1), kind="last_match", price="0"),
        coinbase_match(1, iso(1), kind="last_match").replace('"0.25"', '"-1"'),
        coinbase_snapshot([("1",)], ASKS),  # type: ignore[list-item]
        coinbase_snapshot(BIDS, ASKS).replace(iso(50), "noon"),
        coinbase_update([("hold", "1", "1")], iso(1)),
    ],
)
def test_what_cannot_be_read_is_malformed(connection: CoinbaseConnection, frame: str) -> None:
    with pytest.raises(FrameError) as caught:
        connection.receive(at(1), frame)
    assert caught.value.reason == "malformed_frame"


def test_a_bad_level_leaves_the_whole_frame_unapplied(connection: CoinbaseConnection) -> None:
    connection.receive(at(1), coinbase_snapshot(BIDS, ASKS))
    half_bad = coinbase_update([("buy", "100", "9"), ("sell", "101", "oops")], iso(9))
    with pytest.raises(FrameError):
        connection.receive(at(2), half_bad)
    assert connection.frame_time_without_own(at(2)) == at(2)
    untouched = connection.receive(at(2), coinbase_update([("buy", "99", "1")], iso(2)))
    assert untouched.events == ()


def test_a_rest_answer_is_refused(connection: CoinbaseConnection) -> None:
    with pytest.raises(FrameError, match="unknown_message"):
        connection.receive_rest(at(1), "{}", None)
