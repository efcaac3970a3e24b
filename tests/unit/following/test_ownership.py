"""A live worker takes partitions over and gives them up."""

from __future__ import annotations

import itertools
import json

import msgspec

from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import open_connection
from agents.ingestion.line import ExchangeLine, LineSettings
from agents.ingestion.source_state import Found
from models.partition import partition_of
from models.records.bursts import QuoteBurst, TradeBurst, Unseen, decode_quotes, decode_trades

MS = 1_000_000
S = 1_000_000_000
PARTITION = partition_of("BTC", 4)


SETTINGS = LineSettings(
    partitions=4,
    lateness=200 * MS,
    linger=100 * MS,
    interval=250 * MS,
    silence_limit=5 * S,
    owns_all=False,
)


def live_line() -> ExchangeLine:
    """Return a line of Kraken that owns nothing yet."""
    memory = ExchangeMemory()
    return ExchangeLine("kraken", lambda: open_connection("kraken", memory), SETTINGS)


def ticker(symbol: str, bid: float, kind: str = "update") -> str:
    """Return a Kraken ticker frame without a time of its own."""
    item = {"symbol": symbol, "bid": bid, "bid_qty": 1.0, "ask": bid + 1, "ask_qty": 1.0}
    return json.dumps({"channel": "ticker", "type": kind, "data": [item]})


def bursts(line: ExchangeLine) -> list[QuoteBurst | TradeBurst]:
    """Return what is to be sent now."""
    return [
        (decode_quotes if burst.topic.endswith("quotes") else decode_trades)(burst.value)
        for burst in line.drain()
    ]


def test_nothing_is_sent_of_a_partition_that_is_not_owned() -> None:
    """Frames of another owner's market give no burst, and they are no error."""
    line = live_line()
    for second in range(100, 103):
        line.frame("a", second * S, ticker("BTC/USD", 100.0))
    assert bursts(line) == []


def test_an_owned_partition_is_sent_until_it_is_given_up() -> None:
    """The epoch is the group's generation where that is the higher one."""
    line = live_line()
    line.own(PARTITION, None, 5)
    line.frame("a", 100 * S, ticker("BTC/USD", 100.0))
    line.frame("a", 102 * S, ticker("BTC/USD", 101.0))
    sent = bursts(line)
    assert sent
    assert {burst.epoch for burst in sent} == {5}
    line.disown(PARTITION)
    line.frame("a", 104 * S, ticker("BTC/USD", 102.0))
    assert bursts(line) == []


def test_the_time_from_the_clock_found_to_the_first_frame_is_unseen_on_both_topics() -> None:
    """Found at 100 s in epoch 8; nothing connects until 103 s, and the clock runs on meanwhile."""
    line = live_line()
    line.own(PARTITION, Found(8, {"quotes": 100 * S, "trades": 99 * S}), 3)
    for look in range(101, 104):
        line.advance(look * S)
    line.frame("a", 103 * S, ticker("BTC/USD", 100.0))
    line.frame("a", 103 * S + 500 * MS, ticker("BTC/USD", 101.0))
    line.advance(105 * S)
    sent = bursts(line)
    assert {burst.epoch for burst in sent} == {9}
    for kind, begin in ((QuoteBurst, 100 * S), (TradeBurst, 99 * S)):
        rows = [row for burst in sent if isinstance(burst, kind) for row in burst.unseen]
        assert all(row.market == "*" and row.reason == "down" for row in rows)
        pieces = [row for row in rows if row.end > row.start]
        assert pieces[0].start == begin
        assert pieces[-1].end == 103 * S
        for one, other in itertools.pairwise(pieces):
            assert one.end == other.start
    clocks = [burst.clock for burst in sent if isinstance(burst, QuoteBurst)]
    assert clocks == sorted(clocks)
    assert msgspec.json.decode(msgspec.json.encode(sent[0].unseen), type=list[Unseen])


def test_a_market_that_is_left_counts_no_more() -> None:
    """Its last quote would otherwise stay in force for ever."""
    line = live_line()
    line.own(PARTITION, None, 1)
    line.frame("a", 100 * S, ticker("BTC/USD", 100.0))
    source = line.source(PARTITION)
    assert source is not None
    source.retire("kraken:BTC-USD")
    line.advance(100 * S + 400 * MS)
    rows = [row for burst in bursts(line) for row in burst.unseen]
    assert {(row.market, row.reason) for row in rows} == {("kraken:BTC-USD", "down")}
    assert len(rows) == 2, "one on each topic"


def test_a_pulse_moves_the_clock_and_makes_no_tick_of_its_market_a_repeat() -> None:
    """The market of the pulse belongs to another connection, which may be behind it."""
    memory = ExchangeMemory()
    settings = msgspec.structs.replace(SETTINGS, silence_limit=25 * S)
    line = ExchangeLine("binance", lambda: open_connection("binance", memory, {}), settings)
    line.own(PARTITION, None, 1)

    def book(update: int) -> str:
        return json.dumps(
            {"u": update, "s": "BTCUSDT", "b": "100.0", "B": "1", "a": "101.0", "A": "1"}
        )

    line.frame("own", 100 * S, book(1))
    line.open("pulsed", 100 * S)
    for second in range(101, 104):
        line.alive("pulsed", second * S)
    line.frame("own", 103 * S, book(2))
    line.advance(104 * S)
    sent = [burst for burst in bursts(line) if isinstance(burst, QuoteBurst)]
    assert sum(map(len, sent)) == 2
    assert line.counts["frames"] == 5
