"""Which minutes are fetched next, and which holes are fetched at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.ingestion.candles.jobs import Job, Jobs
from agents.ingestion.candles.outages import TradesSeen
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import open_connection
from agents.ingestion.line import ExchangeLine, LineSettings
from models.partition import partition_of

S = 1_000_000_000
MARKET = "kraken:BTC-USD"


def job(market: str, partition: int, rank: int, start: int = 0, due: int = 0) -> Job:
    """Return a job of two minutes."""
    return Job(market, market, partition, rank, start, start + 120, due)


def test_the_first_markets_of_every_partition_come_first() -> None:
    jobs = Jobs()
    for market, partition, rank in (("a", 0, 1), ("b", 0, 2), ("c", 0, 3), ("d", 1, 1)):
        jobs.add(job(market, partition, rank))
    order = []
    while (one := jobs.next(0)) is not None:
        order.append(one.market)
        jobs.done(one)
    assert order == ["a", "d", "b", "c"]


def test_what_is_not_due_waits_and_what_is_due_of_the_same_market_is_one_job() -> None:
    jobs = Jobs()
    jobs.add(job("a", 0, 1, start=0))
    jobs.add(job("a", 0, 1, start=600, due=5))
    jobs.add(job("a", 0, 1, start=900, due=9))
    one = jobs.next(6)
    assert one is not None
    assert (one.start, one.end) == (0, 720)
    jobs.done(one)
    assert jobs.next(6) is None
    later = jobs.next(9)
    assert later is not None
    assert (later.start, later.end) == (900, 1020)


def test_a_job_that_fails_is_tried_again_ever_later_and_given_up_after_five_tries() -> None:
    jobs, now, waits = Jobs(), 0, []
    jobs.add(job("a", 0, 1))
    while (one := jobs.next(now)) is not None:
        again = jobs.failed(one, now)
        waits.append((one.due - now) // S)
        assert jobs.next(now) is None
        assert again == (len(waits) < 5)
        now = one.due
    assert waits == [30, 60, 120, 240, 480]
    assert len(jobs) == 0


def test_what_is_forgotten_is_not_wanted_any_more() -> None:
    jobs = Jobs()
    jobs.add(job("a", 0, 1))
    jobs.add(job("b", 1, 1))
    doing = jobs.next(0)
    assert doing is not None
    jobs.forget(lambda each: each.partition == 0)
    assert not jobs.wants(doing)
    jobs.done(doing)
    left = jobs.next(0)
    assert left is not None
    assert left.market == "b"


def test_the_hole_before_the_first_sight_is_fetched_however_short() -> None:
    trades = TradesSeen(100 * S)
    assert trades.look(101 * S, sees=False, since=None) is None
    assert trades.look(103 * S, sees=True, since=None) == (100 * S, 103 * S)
    assert trades.look(104 * S, sees=True, since=None) is None


@given(length=st.integers(1, 300))
def test_an_outage_is_fetched_when_it_is_longer_than_a_minute(length: int) -> None:
    """It is seen a second late, and counted from where the line says that it began."""
    trades = TradesSeen(None, is_new=False)
    begin = 1_000
    for second in range(begin + 1, begin + length):
        assert trades.look(second * S, sees=False, since=begin * S) is None
    hole = trades.look((begin + length) * S, sees=True, since=None)
    expected = (begin * S, (begin + length) * S) if length > 60 else None
    assert hole == expected


def test_the_line_says_since_when_trades_are_unseen_however_far_it_is_written_down() -> None:
    """The connection is lost at 102 s; at 109 s most of the interval is in bursts already."""
    memory = ExchangeMemory()
    settings = LineSettings(
        partitions=4, lateness=0, linger=S // 10, interval=S // 4, silence_limit=50 * S
    )
    line = ExchangeLine("kraken", lambda: open_connection("kraken", memory), settings)
    ack = (
        '{"method":"subscribe","result":{"channel":"trade","symbol":"BTC/USD","snapshot":true},'
        '"success":true}'
    )
    line.frame("a", 100 * S, ack)
    line.frame("a", 102 * S, '{"channel":"heartbeat"}')
    source = line.source(partition_of("BTC", 4))
    assert source is not None
    assert line.sees(("trades", MARKET))
    assert source.unseen_since(("trades", MARKET)) is None
    line.close("a", 102 * S)
    for second in range(103, 110):
        line.advance(second * S)
    line.drain()
    assert not line.sees(("trades", MARKET))
    assert source.unseen_since(("trades", MARKET)) == 102 * S
    line.frame("b", 110 * S, ack)
    assert line.sees(("trades", MARKET))
    assert source.unseen_since(("trades", MARKET)) is None
