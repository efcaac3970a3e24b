"""Kraken frames, by the rules of docs/from-frames-to-figures.md, sections 1 to 3."""

from __future__ import annotations

import json
import zlib

import pytest

from agents.ingestion.exchanges.events import GapBegins, Notice, Quote, Trade, TradesLost
from agents.ingestion.exchanges.kraken import KrakenConnection
from agents.ingestion.exchanges.memory import ExchangeMemory
from models.errors import FrameError
from tests.unit.ingestion.frames import (
    all_of,
    at,
    iso,
    kraken_ack,
    kraken_book,
    kraken_checksum,
    kraken_snapshot,
    kraken_ticker,
    kraken_trades,
    only,
)

BTC = "kraken:BTC-USD"
BIDS = [("100.0", "1.50000000"), ("99.9", "0.02000000")]
ASKS = [("100.1", "2.00000000"), ("100.2", "0.30000000")]
HEARTBEAT = '{"channel":"heartbeat"}'


@pytest.fixture
def memory() -> ExchangeMemory:
    return ExchangeMemory()


@pytest.fixture
def connection(memory: ExchangeMemory) -> KrakenConnection:
    return KrakenConnection(memory)


def test_every_acknowledgement_serves_its_symbol(connection: KrakenConnection) -> None:
    book = connection.receive(at(0), kraken_ack("book", depth=10))
    assert book.serves == (("quotes", BTC),)
    assert only(book, Notice) == Notice("subscribed", BTC, "book")
    trade = connection.receive(at(0), kraken_ack("trade", "ETH/USD"))
    assert trade.serves == (("trades", "kraken:ETH-USD"),)
    assert connection.receive(at(0), kraken_ack("ticker")).serves == ()
    assert connection.receive(at(0), kraken_ack("instrument")).serves == ()


def test_old_names_of_coins_become_the_common_ones(connection: KrakenConnection) -> None:
    parsed = connection.receive(at(0), kraken_ticker("1", "2", None, symbol="XBT/USD"))
    assert only(parsed, Quote).market == BTC


def test_a_failed_subscription_is_told_and_serves_nothing(connection: KrakenConnection) -> None:
    frame = json.dumps(
        {"error": "Currency pair not supported", "method": "subscribe", "success": False}
    )
    parsed = connection.receive(at(0), frame)
    assert parsed.serves == ()
    assert only(parsed, Notice) == Notice("rejected", None, "Currency pair not supported")
    with_symbol = json.dumps(json.loads(frame) | {"symbol": "BTC/USD"})
    assert only(connection.receive(at(0), with_symbol), Notice).market == BTC
    no_symbol = json.dumps(json.loads(frame) | {"symbol": "nonsense"})
    assert only(connection.receive(at(0), no_symbol), Notice).market is None


def test_status_heartbeat_and_pong_have_no_own_time(connection: KrakenConnection) -> None:
    connection.receive(at(1), kraken_trades((1, iso(0.9))))
    status = connection.receive(
        at(2), '{"channel":"status","type":"update","data":[{"system":"maintenance"}]}'
    )
    assert only(status, Notice) == Notice("status", None, "maintenance")
    pong = connection.receive(at(3), '{"method":"pong","req_id":1,"time_out":"' + iso(2) + '"}')
    assert only(pong, Notice).kind == "pong"
    beat = connection.receive(at(4), HEARTBEAT)
    assert [frame.frame_time for frame in (status, pong, beat)] == [at(1.9), at(2.9), at(3.9)]


def test_the_frame_time_is_the_newest_of_its_items(connection: KrakenConnection) -> None:
    parsed = connection.receive(at(2), kraken_trades((1, iso(1.8)), (2, iso(1.5)), (3, None)))
    assert parsed.frame_time == at(1.8)
    assert [trade.time for trade in all_of(parsed, Trade)] == [at(1.8), at(1.5), at(1.8)]
    assert [trade.own_time for trade in all_of(parsed, Trade)] == [at(1.8), at(1.5), 0]
    assert connection.frame_time_without_own(at(3)) == at(2.8)


def test_only_the_items_too_far_ahead_are_clamped(
    connection: KrakenConnection, memory: ExchangeMemory
) -> None:
    parsed = connection.receive(at(1), kraken_trades((1, iso(0.5)), (2, iso(9))))
    assert parsed.frame_time == at(3)
    assert [(trade.time, trade.flags) for trade in all_of(parsed, Trade)] == [
        (at(0.5), 0),
        (at(3), 16),
    ]
    assert memory.counts["clamped_time"] == 1
    assert connection.frame_time_without_own(at(1)) == at(1)


def test_a_trade_names_the_takers_side(connection: KrakenConnection) -> None:
    bought = only(connection.receive(at(1), kraken_trades((5, iso(1)))), Trade)
    assert bought == Trade(BTC, at(1), at(1), 100.5, 0.25, 1, 5, 0)
    assert (
        only(connection.receive(at(1), kraken_trades((6, iso(1)), side="sell")), Trade).side == -1
    )


def test_trade_ids_that_skip_are_no_loss_and_repeats_are_dropped(
    connection: KrakenConnection, memory: ExchangeMemory
) -> None:
    connection.receive(at(1), kraken_trades((5, iso(1))))
    parsed = connection.receive(at(1), kraken_trades((5, iso(1)), (9, iso(1))))
    assert [trade.trade_id for trade in all_of(parsed, Trade)] == [9]
    assert not all_of(parsed, TradesLost)
    assert memory.counts["repeated_trade"] == 1


def test_a_snapshot_of_trades_only_sets_the_last_id(connection: KrakenConnection) -> None:
    connection.receive(at(1), kraken_trades((1, iso(0.9))))
    snapshot = connection.receive(at(2), kraken_trades((8, iso(0)), (7, iso(0)), kind="snapshot"))
    assert (snapshot.events, snapshot.frame_time) == ((), at(1.9))
    assert not connection.receive(at(2), kraken_trades((8, iso(2)))).events


def test_a_ticker_gives_a_quote_at_its_time_and_its_snapshot_at_receive_less_skew(
    connection: KrakenConnection,
) -> None:
    update = connection.receive(at(1), kraken_ticker("100.5", "101", iso(0.9)))
    assert update.events == (Quote(BTC, at(0.9), at(0.9), 100.5, 1.0, 101.0, 2.0, 0),)
    snapshot = connection.receive(at(3), kraken_ticker("100.5", "101", iso(0), kind="snapshot"))
    assert snapshot.events == (Quote(BTC, at(2.9), 0, 100.5, 1.0, 101.0, 2.0, 8),)
    timeless = connection.receive(at(4), kraken_ticker("100.5", "101", None))
    assert only(timeless, Quote).time == at(3.9)


def test_sources_of_quotes_rank_bbo_ticker_above_book_above_ticker(
    connection: KrakenConnection,
) -> None:
    ticker = kraken_ticker("1", "2", iso(1))
    connection.receive(at(0), kraken_ack("ticker", event_trigger="trades"))
    assert all_of(connection.receive(at(1), ticker), Quote)
    assert all_of(connection.receive(at(1), kraken_snapshot(BIDS, ASKS)), Quote)
    assert not connection.receive(at(1), ticker).events
    connection.receive(at(2), kraken_ack("ticker", event_trigger="bbo"))
    assert not connection.receive(at(2), kraken_snapshot(BIDS, ASKS)).events
    assert all_of(connection.receive(at(2), ticker), Quote)


def test_a_book_gives_quotes_when_its_best_changes(connection: KrakenConnection) -> None:
    first = connection.receive(at(1), kraken_snapshot(BIDS, ASKS))
    assert first.events == (Quote(BTC, at(1), 0, 100.0, 1.5, 100.1, 2.0, 8),)
    deep_bids = [BIDS[0], ("99.9", "0.50000000")]
    deep = kraken_book([deep_bids[1]], [], kraken_checksum(deep_bids, ASKS), iso(1.9))
    parsed = connection.receive(at(2), deep)
    assert (parsed.events, parsed.frame_time) == ((), at(1.9))
    asks = [("100.05", "0.10000000"), ASKS[1]]
    changes = [("100.1", "0.00000000"), asks[0]]
    better = kraken_book([], changes, kraken_checksum(deep_bids, asks), iso(2))
    assert connection.receive(at(2), better).events == (
        Quote(BTC, at(2), at(2), 100.0, 1.5, 100.05, 0.1, 0),
    )
    assert connection.checksums == {True: 3, False: 0}


def test_the_checksum_is_over_the_digits_as_sent(connection: KrakenConnection) -> None:
    # Trailing zeros count, leading ones and the point do not; asks come first.
    checksum = zlib.crc32(b"5005500500012000")
    frame = kraken_book(
        [("0.05000", "0.00012000")], [("0.05005", "0.00000500")], checksum, kind="snapshot"
    )
    assert connection.receive(at(1), frame).replies == ()
    assert connection.checksums == {True: 1, False: 0}


def test_a_wrong_checksum_loses_the_book_until_the_next_snapshot(
    connection: KrakenConnection,
) -> None:
    connection.receive(at(0), kraken_ack("book", depth=25))
    connection.receive(at(1), kraken_snapshot(BIDS, ASKS))
    wrong = kraken_book([("100.0", "9.00000000")], [], 1, iso(2))
    lost = connection.receive(at(2), wrong)
    assert only(lost, GapBegins).market == BTC
    assert not all_of(lost, Quote)
    assert [json.loads(reply) for reply in lost.replies] == [
        {
            "method": "unsubscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 25},
        },
        {
            "method": "subscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 25, "snapshot": True},
        },
    ]
    ignored = connection.receive(at(3), wrong)
    assert (ignored.events, ignored.replies, ignored.frame_time) == ((), (), at(2))
    ack = connection.receive(at(3), kraken_ack("book", end=True))
    assert [type(event) for event in ack.events] == [Notice]
    synced, quote = connection.receive(at(4), kraken_snapshot(BIDS, ASKS)).events
    assert synced == Notice("synced", BTC, "book snapshot")
    assert isinstance(quote, Quote)
    assert connection.checksums == {True: 2, False: 1}


def test_an_update_before_the_snapshot_loses_the_book(connection: KrakenConnection) -> None:
    update = kraken_book(BIDS, ASKS, kraken_checksum(BIDS, ASKS), iso(1))
    parsed = connection.receive(at(1), update)
    assert only(parsed, GapBegins).market == BTC
    assert len(parsed.replies) == 2
    assert connection.receive(at(1), update).replies == ()


def test_the_end_of_the_book_subscription_is_a_gap(connection: KrakenConnection) -> None:
    connection.receive(at(1), kraken_snapshot(BIDS, ASKS))
    parsed = connection.receive(at(2), kraken_ack("book", end=True))
    assert [type(event) for event in parsed.events] == [Notice, GapBegins]
    assert parsed.replies == ()
    update = kraken_book([BIDS[0]], [], kraken_checksum(BIDS, ASKS), iso(2))
    assert connection.receive(at(2), update).events == ()


def test_losing_a_book_that_is_no_source_of_quotes_is_no_gap(connection: KrakenConnection) -> None:
    connection.receive(at(0), kraken_ack("ticker", event_trigger="bbo"))
    connection.receive(at(1), kraken_snapshot(BIDS, ASKS))
    lost = connection.receive(at(2), kraken_book([], [], 1, iso(2)))
    assert lost.events == ()
    assert len(lost.replies) == 2
    connection.receive(at(3), kraken_snapshot(BIDS, ASKS))
    ended = connection.receive(at(4), kraken_ack("book", end=True))
    assert [type(event) for event in ended.events] == [Notice]


def test_other_markets_stay_when_one_book_is_lost(connection: KrakenConnection) -> None:
    connection.receive(at(1), kraken_snapshot(BIDS, ASKS))
    connection.receive(at(1), kraken_snapshot(BIDS, ASKS, "ETH/USD"))
    connection.receive(at(2), kraken_book([], [], 1, iso(2)))
    asks = [("100.1", "7.00000000"), ASKS[1]]
    checksum = kraken_checksum(BIDS, asks)
    other = kraken_book([], [asks[0]], checksum, iso(2), symbol="ETH/USD")
    assert only(connection.receive(at(2), other), Quote).ask_size == 7.0


def test_a_book_is_kept_to_its_depth(connection: KrakenConnection) -> None:
    bids = [(f"{100 - level}.0", "1.00000000") for level in range(10)]
    connection.receive(at(1), kraken_snapshot(bids, ASKS))
    # A better level pushes the tenth out; when it goes, the tenth is sent anew, not remembered.
    better = ("101.0", "1.00000000")
    pushed = [better, *bids[:9]]
    frame = kraken_book([better], [], kraken_checksum(pushed, ASKS), iso(2))
    assert not connection.receive(at(2), frame).replies
    removed = [("101.0", "0.00000000")]
    frame = kraken_book(removed, [], kraken_checksum(bids[:9], ASKS), iso(3))
    assert not connection.receive(at(3), frame).replies


@pytest.mark.parametrize(("levels", "depth"), [(10, 10), (11, 25), (26, 100), (101, 500)])
def test_a_deeper_snapshot_says_its_depth(
    connection: KrakenConnection, levels: int, depth: int
) -> None:
    bids = [(f"{1_000 - level}.0", "1.00000000") for level in range(levels)]
    connection.receive(at(1), kraken_snapshot(bids, [("2000.0", "1.00000000")]))
    lost = connection.receive(at(2), kraken_book([], [], 1, iso(2)))
    assert json.loads(lost.replies[0])["params"]["depth"] == depth


@pytest.mark.parametrize(
    "frame",
    ['{"channel":"ohlc","data":[]}', '{"channel":"level3","data":[]}', '{"method":"add_order"}'],
)
def test_an_unknown_channel_is_an_unknown_message(connection: KrakenConnection, frame: str) -> None:
    with pytest.raises(FrameError) as caught:
        connection.receive(at(1), frame)
    assert caught.value.reason == "unknown_message"


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "[]",
        "{}",
        "nul",
        "\udfff",
        '{"channel":1}',
        '{"channel":"book"}',
        '{"channel":' * 50_000,
        kraken_ticker("0", "2", iso(1)),
        kraken_ticker("-1", "2", iso(1)),
        kraken_ticker("1e999", "2", iso(1)),
        kraken_ticker("NaN", "2", iso(1)),
        kraken_ticker('"1"', "2", iso(1)),
        kraken_ticker("1", "2", "noon"),
        kraken_ticker("1", "2", "noon", kind="snapshot"),
        kraken_ticker("1", "2", iso(1), symbol="BTCUSD"),
        kraken_trades((2**63, iso(1))),
        kraken_trades((-1, iso(1))),
        kraken_trades((1, iso(1)), side="hold"),
        kraken_trades((1, iso(1)), kind="insert"),
        kraken_book([("null", "1")], [], 1),
        kraken_book([('"1"', "1")], [], 1),
        kraken_book([("[1]", "1")], [], 1),
        kraken_book([("1", "1e999")], [], 1),
        kraken_book([("0.0", "1")], [], 1),
        kraken_book([("1", "-1")], [], 1),
        kraken_book([], [], 2**32),
        kraken_book([], [], -1),
    ],
)
def test_what_cannot_be_read_is_malformed(connection: KrakenConnection, frame: str) -> None:
    with pytest.raises(FrameError) as caught:
        connection.receive(at(1), frame)
    assert caught.value.reason == "malformed_frame"


def test_a_bad_item_leaves_the_whole_frame_unapplied(
    connection: KrakenConnection, memory: ExchangeMemory
) -> None:
    with pytest.raises(FrameError):
        connection.receive(at(1), kraken_trades((1, iso(0.5)), (2, "noon")))
    assert memory.last_trade_id(BTC) is None
    parsed = connection.receive(at(1), kraken_trades((1, iso(0.9))))
    assert (parsed.serves, len(parsed.events)) == ((("trades", BTC),), 1)
    assert connection.frame_time_without_own(at(1)) == at(0.9)


def test_a_rest_answer_is_refused(connection: KrakenConnection) -> None:
    with pytest.raises(FrameError, match="unknown_message"):
        connection.receive_rest(at(1), "{}", None)
