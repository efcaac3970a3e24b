"""Binance frames, by the rules of docs/from-frames-to-figures.md, sections 1 to 3."""

from __future__ import annotations

import json
import math

import pytest

from agents.ingestion.exchanges.binance import BinanceConnection
from agents.ingestion.exchanges.events import GapBegins, Notice, Quote, Trade, TradesLost
from agents.ingestion.exchanges.memory import ExchangeMemory
from models.errors import FrameError
from tests.unit.ingestion.frames import (
    START,
    all_of,
    at,
    binance_aggregate,
    binance_depth,
    binance_rest,
    binance_ticker,
    binance_trade,
    combined,
    only,
)

BTC = "binance:BTC-USDT"
SYMBOLS = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}
START_MS = START // 1_000_000


@pytest.fixture
def memory() -> ExchangeMemory:
    return ExchangeMemory()


@pytest.fixture
def connection(memory: ExchangeMemory) -> BinanceConnection:
    return BinanceConnection(memory, SYMBOLS)


def test_a_book_ticker_is_a_quote_at_its_receive_time(connection: BinanceConnection) -> None:
    parsed = connection.receive(at(1), combined("bookTicker", binance_ticker(7)))
    assert parsed.frame_time == at(1)
    assert parsed.serves == (("quotes", BTC),)
    assert parsed.events == (Quote(BTC, at(1), 0, 100.0, 1.0, 100.1, 2.0, 0),)


def test_every_book_ticker_is_a_quote_changed_or_not(connection: BinanceConnection) -> None:
    connection.receive(at(1), combined("bookTicker", binance_ticker(7)))
    parsed = connection.receive(at(2), combined("bookTicker", binance_ticker(8)))
    assert len(all_of(parsed, Quote)) == 1


def test_raw_frames_read_like_combined_ones(connection: BinanceConnection) -> None:
    quote = only(connection.receive(at(1), json.dumps(binance_ticker(7))), Quote)
    assert (quote.market, quote.bid) == (BTC, 100.0)
    trade = only(connection.receive(at(1), json.dumps(binance_trade(1, START_MS))), Trade)
    assert trade.trade_id == 1


def test_repeated_quotes_are_dropped_over_connections(
    connection: BinanceConnection, memory: ExchangeMemory
) -> None:
    connection.receive(at(1), combined("bookTicker", binance_ticker(7)))
    other = BinanceConnection(memory, SYMBOLS)
    repeated = other.receive(at(2), combined("bookTicker", binance_ticker(7)))
    assert (repeated.events, repeated.serves) == ((), (("quotes", BTC),))
    assert memory.counts["repeated_quote"] == 1
    assert other.receive(at(2), combined("bookTicker", binance_ticker(8))).events


def test_a_side_of_size_zero_is_missing(connection: BinanceConnection) -> None:
    frame = combined("bookTicker", binance_ticker(7, bid_size="0.00000000"))
    quote = only(connection.receive(at(1), frame), Quote)
    assert math.isnan(quote.bid)
    assert (quote.ask, quote.flags) == (100.1, 32)


def test_the_frame_time_is_the_receive_time_whatever_the_frame_says(
    connection: BinanceConnection,
) -> None:
    parsed = connection.receive(at(3), combined("trade", binance_trade(1, START_MS + 1_000)))
    assert parsed.frame_time == at(3)
    assert connection.frame_time_without_own(at(4)) == at(4)


def test_a_trade_is_placed_among_its_quotes(connection: BinanceConnection) -> None:
    # The clock of the exchange lies 100 ms behind at best: that much later its trades are placed.
    connection.receive(at(1.1), combined("trade", binance_trade(1, START_MS + 1_000)))
    parsed = connection.receive(at(2.5), combined("trade", binance_trade(2, START_MS + 2_000)))
    assert only(parsed, Trade) == Trade(BTC, at(2.1), at(2), 100.5, 0.25, 1, 2, 0)


def test_a_trade_is_never_placed_after_its_receipt(connection: BinanceConnection) -> None:
    # The own times run ahead, by 1,000 ms and then by 500: the skew is −1,000 ms.
    connection.receive(at(1), combined("trade", binance_trade(1, START_MS + 2_000)))
    parsed = connection.receive(at(3), combined("trade", binance_trade(2, START_MS + 3_500)))
    assert only(parsed, Trade).time == at(2.5)
    newest = connection.receive(at(4), combined("trade", binance_trade(3, START_MS + 5_500)))
    assert only(newest, Trade).time == at(4)


def test_a_trade_far_ahead_is_clamped(
    connection: BinanceConnection, memory: ExchangeMemory
) -> None:
    parsed = connection.receive(at(1), combined("trade", binance_trade(1, START_MS + 9_000)))
    trade = only(parsed, Trade)
    assert (trade.time, trade.own_time, trade.flags) == (at(1), at(9), 16)
    assert memory.counts["clamped_time"] == 1
    assert memory.skew.at(at(1)) == 0


def test_the_buyer_as_maker_means_the_taker_sold(connection: BinanceConnection) -> None:
    frame = combined("trade", binance_trade(1, START_MS, buyer_was_maker=True))
    assert only(connection.receive(at(1), frame), Trade).side == -1


def test_aggregate_trades_count_until_single_ones_show(connection: BinanceConnection) -> None:
    aggregate = connection.receive(
        at(1), combined("aggTrade", binance_aggregate(3, 5, START_MS + 1_000))
    )
    assert aggregate.serves == (("trades", BTC),)
    assert only(aggregate, Trade) == Trade(BTC, at(1), at(1), 100.5, 0.5, -1, 5, 0)
    single = connection.receive(at(2), combined("trade", binance_trade(6, START_MS + 2_000)))
    assert all_of(single, Trade)
    unused = connection.receive(
        at(3), combined("aggTrade", binance_aggregate(7, 9, START_MS + 3_000))
    )
    assert unused.events == ()


def test_the_time_of_an_unused_aggregate_enters_the_skew(
    connection: BinanceConnection, memory: ExchangeMemory
) -> None:
    connection.receive(at(1.5), combined("trade", binance_trade(6, START_MS + 1_000)))
    connection.receive(at(2.1), combined("aggTrade", binance_aggregate(7, 9, START_MS + 2_000)))
    assert memory.skew.at(at(2.1)) == 100_000_000


def test_a_skipped_trade_id_tells_how_many_were_lost(connection: BinanceConnection) -> None:
    connection.receive(at(1), combined("trade", binance_trade(5, START_MS)))
    parsed = connection.receive(at(2), combined("trade", binance_trade(8, START_MS)))
    assert [type(event) for event in parsed.events] == [TradesLost, Trade]
    assert only(parsed, TradesLost) == TradesLost(BTC, 2, at(1))


def test_skips_of_aggregates_and_before_the_first_trade_are_no_loss(
    connection: BinanceConnection, memory: ExchangeMemory
) -> None:
    connection.receive(at(1), combined("aggTrade", binance_aggregate(1, 2, START_MS)))
    jump = connection.receive(at(1), combined("aggTrade", binance_aggregate(8, 9, START_MS)))
    assert not all_of(jump, TradesLost)
    first = connection.receive(at(1), combined("trade", binance_trade(20, START_MS)))
    assert not all_of(first, TradesLost)
    other = BinanceConnection(memory, SYMBOLS)
    assert not all_of(
        other.receive(at(1), combined("trade", binance_trade(30, START_MS))), TradesLost
    )


def test_depth_alone_is_a_gap_from_its_first_frame_once(connection: BinanceConnection) -> None:
    first = connection.receive(at(1), combined("depth@100ms", binance_depth(1, 5)))
    assert first.serves == (("quotes", BTC),)
    assert only(first, GapBegins).market == BTC
    assert not connection.receive(at(1), combined("depth@100ms", binance_depth(9, 9))).events
    assert all_of(connection.receive(at(2), combined("bookTicker", binance_ticker(6))), Quote)


def test_depth_after_the_book_ticker_is_no_gap(connection: BinanceConnection) -> None:
    connection.receive(at(1), combined("bookTicker", binance_ticker(6)))
    assert connection.receive(at(1), combined("depth", binance_depth(1, 5))).events == ()


def test_a_depth_book_comes_into_step_with_its_rest_snapshot(
    connection: BinanceConnection,
) -> None:
    covered = binance_depth(1, 5, [("90", "1")])
    bridging = binance_depth(6, 12, [("100", "0"), ("99", "3")], [("102", "4")])
    connection.receive(at(1), combined("depth@100ms", covered))
    connection.receive(at(1), combined("depth@100ms", bridging))
    body = binance_rest(10, [("100", "1")], [("101", "2"), ("103", "1")])
    rest = connection.receive_rest(at(2), body, None)
    assert rest.frame_time == at(2)
    assert rest.events == (Notice("synced", BTC, "depth as of update 12"),)
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert (book.in_step, book.prices.best()) == (True, (99.0, 3.0, 101.0, 2.0))
    connection.receive(at(3), combined("depth@100ms", binance_depth(13, 13, [], [("101", "0")])))
    assert (book.last_id, book.prices.best()) == (13, (99.0, 3.0, 102.0, 4.0))


@pytest.mark.parametrize(("first", "in_step"), [(10, True), (11, True), (12, False)])
def test_the_first_update_must_reach_back_to_the_snapshot(
    connection: BinanceConnection, first: int, in_step: bool
) -> None:
    connection.receive(at(1), combined("depth", binance_depth(first, 15)))
    connection.receive_rest(at(2), binance_rest(10, [("1", "1")], [("2", "1")]), None)
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert book.in_step is in_step


def test_updates_that_the_snapshot_covers_leave_it_waiting(connection: BinanceConnection) -> None:
    connection.receive(at(1), combined("depth", binance_depth(1, 10)))
    connection.receive_rest(at(2), binance_rest(10, [("1", "1")], [("2", "1")]), None)
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert not book.in_step
    connection.receive(at(3), combined("depth", binance_depth(8, 10)))
    assert not book.in_step
    synced = connection.receive(at(3), combined("depth", binance_depth(8, 11)))
    assert only(synced, Notice).kind == "synced"


def test_a_skipped_update_loses_the_book_until_another_snapshot(
    connection: BinanceConnection,
) -> None:
    connection.receive(at(1), combined("depth", binance_depth(9, 12)))
    connection.receive_rest(at(1), binance_rest(10, [("1", "1")], [("2", "1")]), None)
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert book.in_step
    connection.receive(at(2), combined("depth", binance_depth(14, 15, [("1.5", "1")])))
    assert (book.in_step, book.prices.best()) == (False, (0.0, 0.0, 0.0, 0.0))
    again = connection.receive_rest(at(3), binance_rest(14, [("1", "1")], [("2", "1")]), None)
    assert only(again, Notice).kind == "synced"
    assert book.prices.best() == (1.5, 1.0, 2.0, 1.0)


def test_a_book_in_step_needs_no_other_snapshot(connection: BinanceConnection) -> None:
    connection.receive(at(1), combined("depth", binance_depth(9, 12)))
    connection.receive_rest(at(1), binance_rest(10, [("1", "1")], [("2", "1")]), None)
    older = connection.receive_rest(at(2), binance_rest(11, [("1", "9")], [("2", "9")]), None)
    assert older.events == ()
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert (book.in_step, book.last_id, book.prices.best()) == (True, 12, (1.0, 1.0, 2.0, 1.0))


def test_a_snapshot_that_is_too_old_leaves_what_waits_for_the_next(
    connection: BinanceConnection,
) -> None:
    for update in (5, 6):
        connection.receive(at(1), combined("depth", binance_depth(update, update)))
    book = connection.depth("BTCUSDT")
    assert book is not None
    connection.receive_rest(at(2), binance_rest(3, [("1", "1")], [("2", "1")]), None)
    assert not book.in_step
    connection.receive_rest(at(3), binance_rest(4, [("1", "1")], [("2", "1")]), None)
    assert (book.in_step, book.last_id) == (True, 6)


def test_only_the_newest_thousand_updates_wait_for_a_snapshot(
    connection: BinanceConnection,
) -> None:
    for update in range(1, 1_002):
        connection.receive(at(1), combined("depth", binance_depth(update, update)))
    connection.receive_rest(at(2), binance_rest(0, [("1", "1")], [("2", "1")]), None)
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert not book.in_step, "update 1 went, and 2 does not reach back to the snapshot"
    connection.receive_rest(at(2), binance_rest(1, [("1", "1")], [("2", "1")]), None)
    assert (book.in_step, book.last_id) == (True, 1_001)


def test_a_rest_snapshot_is_of_the_symbol_in_its_address(connection: BinanceConnection) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        connection.receive(at(1), combined("depth", binance_depth(1, 9, symbol=symbol)))
    body = binance_rest(5, [("1", "1")], [("2", "1")])
    url = "https://data-api.binance.vision/api/v3/depth?symbol=ETHUSDT&limit=100"
    parsed = connection.receive_rest(at(2), body, url)
    assert only(parsed, Notice).market == "binance:ETH-USDT"
    with pytest.raises(FrameError):
        connection.receive_rest(at(2), body, None)
    for bad in ("https://x/depth", "https://x/depth?symbol=ETHUSDT&symbol=BTCUSDT", "http://[bad"):
        with pytest.raises(FrameError):
            connection.receive_rest(at(2), body, bad)


def test_a_rest_snapshot_before_any_depth_needs_an_address(connection: BinanceConnection) -> None:
    with pytest.raises(FrameError, match="malformed_frame"):
        connection.receive_rest(at(2), binance_rest(5, [("1", "1")], [("2", "1")]), None)


@pytest.mark.parametrize(
    ("symbol", "market"),
    [
        ("BTCUSDT", "binance:BTC-USDT"),
        ("ETHBTC", "binance:ETH-BTC"),
        ("BTCFDUSD", "binance:BTC-FDUSD"),
        ("BNBUSD1", "binance:BNB-USD1"),
        ("1000SATSTRY", "binance:1000SATS-TRY"),
    ],
)
def test_symbols_without_an_instrument_list_are_split_and_told(symbol: str, market: str) -> None:
    memory = ExchangeMemory()
    frame = combined("bookTicker", binance_ticker(1) | {"s": symbol})
    quote = only(BinanceConnection(memory, {}).receive(at(1), frame), Quote)
    assert quote.market == market
    assert memory.guessed_symbols == {symbol: market}


def test_the_instrument_list_decides_where_it_knows_a_symbol(memory: ExchangeMemory) -> None:
    connection = BinanceConnection(memory, {"ABCUSDT": ("ABCU", "SDT")})
    frame = combined("bookTicker", binance_ticker(1) | {"s": "ABCUSDT"})
    assert only(connection.receive(at(1), frame), Quote).market == "binance:ABCU-SDT"
    assert memory.guessed_symbols == {}


@pytest.mark.parametrize(
    ("frame", "notice"),
    [
        ('{"result":null,"id":1}', Notice("subscribed", None, "request 1")),
        ('{"result":["a@trade"],"id":"x"}', Notice("status", None, 'request x: ["a@trade"]')),
        ('{"error":{"code":2},"id":3}', Notice("rejected", None, 'request 3: {"code":2}')),
        ('{"code":2,"msg":"Invalid request"}', Notice("error", None, "2: Invalid request")),
        ('{"stream":"!serverShutdown","data":{}}', Notice("shutdown", None, "server shutdown")),
        ('{"e":"serverShutdown","E":1}', Notice("shutdown", None, "server shutdown")),
    ],
)
def test_answers_and_the_servers_shutdown_are_told(
    connection: BinanceConnection, frame: str, notice: Notice
) -> None:
    parsed = connection.receive(at(1), frame)
    assert (parsed.frame_time, parsed.serves, parsed.events) == (at(1), (), (notice,))


@pytest.mark.parametrize(
    "frame", [combined("kline_1m", {}), combined("depth20@100ms", {}), '{"e":"24hrTicker"}']
)
def test_an_unknown_stream_is_an_unknown_message(connection: BinanceConnection, frame: str) -> None:
    with pytest.raises(FrameError) as caught:
        connection.receive(at(1), frame)
    assert caught.value.reason == "unknown_message"


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{}",
        "[1]",
        "0",
        "\ud800{}",
        '{"stream":5,"data":{}}',
        '{"stream":"btcusdt@trade"}',
        '{"stream":"btcusdt@trade","data":' + "[" * 100_000,
        combined("trade", binance_ticker(1)),
        combined("bookTicker", binance_ticker(2**63)),
        combined("bookTicker", binance_ticker(-1)),
        combined("bookTicker", binance_ticker(1, bid="0.0")),
        combined("bookTicker", binance_ticker(1, bid="1e999")),
        combined("bookTicker", binance_ticker(1) | {"b": 100.0}),
        combined("bookTicker", binance_ticker(1) | {"s": "USDT"}),
        combined("bookTicker", binance_ticker(1) | {"s": "NOTHING"}),
        combined("bookTicker", binance_ticker(1) | {"s": "btcusdt"}),
        combined("trade", binance_trade(2**63, START_MS)),
        combined("trade", binance_trade(1, 10**13)),
        combined("trade", binance_trade(1, -1)),
        combined("trade", binance_trade(1, START_MS) | {"m": 1}),
        combined("depth", binance_depth(1, 1, [("1", "x")])),
        combined("depth", binance_depth(1, 1, [("0", "1")])),
    ],
)
def test_what_cannot_be_read_is_malformed(connection: BinanceConnection, frame: str) -> None:
    with pytest.raises(FrameError) as caught:
        connection.receive(at(1), frame)
    assert caught.value.reason == "malformed_frame"


def test_a_bad_depth_frame_leaves_the_book_as_it_was(connection: BinanceConnection) -> None:
    connection.receive(at(1), combined("depth", binance_depth(9, 12)))
    connection.receive_rest(at(1), binance_rest(10, [("1", "1")], [("2", "1")]), None)
    with pytest.raises(FrameError):
        connection.receive(
            at(2), combined("depth", binance_depth(13, 13, [("9", "1")], [("", "")]))
        )
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert (book.in_step, book.last_id, book.prices.best()) == (True, 12, (1.0, 1.0, 2.0, 1.0))
