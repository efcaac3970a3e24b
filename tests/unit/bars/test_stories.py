"""Bars and indicators of small stories, by their numbers."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import InvariantError, RecordError
from models.records.bursts import Unseen
from tests.bars_in_memory import START, BarsLine, Trade, at, candles_value, trade_value

BTC = "kraken:BTC-USD"


def rows(line: BarsLine, topic: str = "bars", interval: str = "1m") -> dict[int, dict[str, Any]]:
    """Return the last rows of BTC in the log by the minute of the story with which they end."""
    line.finish()
    found: dict[int, dict[str, Any]] = {}
    for (of, market, of_interval, end, _), row in line.rows().items():
        if (of, market, of_interval) == (topic, BTC, interval):
            found[(end - START) // 60] = row
    return found


def flat(price: float) -> tuple[float, float, float, float]:
    return price, price, price, price


def test_a_minute_with_trades() -> None:
    """Open, high, low and close in event-time order; a late trade enters nothing.

    Nobody has heard what was before the first trade of all.
    """
    trades = [
        Trade(BTC, 20, 101.0, 1.0),
        Trade(BTC, 5, 100.0, 2.0),
        Trade(BTC, 5, 99.0, 1.0),
        Trade(BTC, 30, 500.0, 1.0, late=True),
        Trade(BTC, 59.5, 100.5, 0.5),
    ]
    line = BarsLine([trade_value(0, trades), trade_value(60)])
    assert rows(line) == {
        1: {
            "open": 100.0,
            "high": 101.0,
            "low": 99.0,
            "close": 100.5,
            "volume": 4.5,
            "quote_volume": 450.25,
            "vwap": 450.25 / 4.5,
            "n": 4,
            "first_trade": at(5),
            "last_trade": at(59.5),
            "coverage": pytest.approx(55 / 60),
            "source": "live",
            "reasons": {},
        }
    }


def test_only_the_first_trade_of_a_source_ends_what_nobody_has_heard() -> None:
    """Another market's does too, and a restart before it does not."""
    values = [
        trade_value(70),
        trade_value(90, [Trade("kraken:ETH-USD", 95, 10.0), Trade(BTC, 110, 100.0)]),
        trade_value(180),
    ]
    line = BarsLine(values, [candles_value(BTC, {0: flat(90.0)})])
    line.read_candles()
    line.read_trades(1)
    line.work()
    line.open()
    found = rows(line)
    assert {end: row["coverage"] for end, row in found.items()} == {
        1: 0.0, 2: pytest.approx(25 / 60), 3: 1.0,
    }  # fmt: skip


def test_a_minute_without_a_trade_says_what_was_seen() -> None:
    """Quiet, half unseen, and not seen at all."""
    values = [
        trade_value(0, [Trade(BTC, 0, 100.0)]),
        trade_value(60, unseen=[Unseen(BTC, at(150), at(240), "stale")]),
        trade_value(240),
    ]
    found = rows(BarsLine(values))
    assert [found[end]["coverage"] for end in (2, 3, 4)] == [1.0, 0.5, 0.0]
    assert [found[end]["volume"] for end in (2, 3, 4)] == [0.0, 0.0, None]
    assert [found[end]["reasons"]["close"] for end in (2, 3, 4)] == [
        "no_trades", "no_trades", "stale",
    ]  # fmt: skip
    assert "volume" not in found[3]["reasons"]
    assert found[4]["reasons"]["volume"] == "stale"


def test_sixty_unseen_minutes_are_written_and_none_beyond_but_the_longer_bars_go_on() -> None:
    """A jump of the clock over three days: the day that has begun ends, no other one does."""
    values = [
        trade_value(0, [Trade(BTC, 0, 100.0)]),
        trade_value(30, unseen=[Unseen("*", at(60), at(3 * 86_400 + 90), "down")]),
        trade_value(3 * 86_400 + 180),
    ]
    line = BarsLine(values)
    ends = sorted(rows(line))
    again = 3 * 1440 + 1
    assert ends == [*range(1, 62), again + 1, again + 2]
    assert sorted(rows(line, interval="1h")) == [60, 120]
    day = rows(line, interval="1d")
    assert sorted(day) == [1440]
    assert day[1440]["coverage"] == pytest.approx(1 / 1440)
    assert day[1440]["close"] == 100.0


def test_candles_fill_what_live_trades_do_not_tell() -> None:
    """Before the start and in a hole; where there was a live trade it wins."""
    values = [
        trade_value(0, [Trade(BTC, 0, 100.0)]),
        trade_value(60, unseen=[Unseen(BTC, at(60), at(120), "down")]),
        trade_value(180, [Trade(BTC, 185, 104.0)]),
        trade_value(300),
    ]
    candles = [candles_value(BTC, {-2: flat(90.0), 0: flat(91.0), 1: flat(92.0)}, told=False)]
    line = BarsLine(values, candles)
    minutes = rows(line)
    assert {end: (row["source"], row["close"]) for end, row in minutes.items()} == {
        -1: ("rest", 90.0),
        0: ("rest", None),
        1: ("live", 100.0),
        2: ("rest", 92.0),
        3: ("live", None),
        4: ("live", 104.0),
        5: ("live", None),
    }
    assert minutes[0]["reasons"]["close"] == "no_trades"
    thin = dict.fromkeys(("n", "first_trade", "last_trade", "quote_volume", "vwap"), "thin")
    assert minutes[2]["reasons"] == thin
    five = rows(line, interval="5m")
    assert five[0]["source"] == "rest"
    assert five[5]["source"] == "mixed"
    assert (five[5]["open"], five[5]["close"], five[5]["n"]) == (100.0, 104.0, None)
    assert (five[5]["first_trade"], five[5]["last_trade"]) == (at(0), at(185))
    assert five[5]["coverage"] == pytest.approx(0.8)
    figures = rows(line, "indicators")
    # From the first candle on in a row: what it left out counts as seen.
    assert figures[5]["n"] == 7
    assert figures[5]["source"] == "mixed"


def test_a_minute_that_was_partly_seen_takes_its_candle_so_that_no_volume_is_missing() -> None:
    """One trade of three was heard; a minute that was wholly seen keeps what was heard.

    A later record that tells no trade of a minute takes none away.
    """
    values = [
        trade_value(0, [Trade(BTC, 0, 100.0, 0.5)]),
        trade_value(60, [Trade(BTC, 70, 101.0, 0.25)]),
        trade_value(120, unseen=[Unseen(BTC, at(90), at(125), "down")]),
        trade_value(180, [Trade(BTC, 130, 102.0, 0.25)]),
        trade_value(300),
    ]
    candles = [
        candles_value(BTC, {0: flat(90.0), 1: flat(91.0), 2: flat(92.0)}, volume=3.0),
        candles_value(BTC, {1: flat(91.0), 2: flat(92.0)}, volume=0.0),
    ]
    for dies in (False, True):
        line = BarsLine(values, candles)
        if dies:
            line.read_trades()
            line.work(1)
            line.read_candles(1)
            line.die("after", 1)
            line.die("outputs", 1)
        line.finish()
        minutes = rows(line)
        assert {end: (row["source"], row["volume"], row["n"]) for end, row in minutes.items()} == {
            1: ("live", 0.5, 1),
            2: ("rest", 3.0, 3),
            3: ("rest", 3.0, 3),
            4: ("live", 0.0, 0),
            5: ("live", 0.0, 0),
        }
        assert minutes[2]["coverage"] == pytest.approx(0.5)
        assert minutes[2]["first_trade"] is None
        five = rows(line, interval="5m")[5]
        assert (five["source"], five["volume"], five["n"]) == ("mixed", 6.5, 7)


def test_a_record_of_candles_waits_until_its_newest_minute_is_closed() -> None:
    candles = [candles_value(BTC, {3: flat(90.0)})]
    line = BarsLine([trade_value(0), trade_value(240), trade_value(300)], candles)
    line.read_candles()
    line.read_trades(1)
    line.work()
    assert line.decisions() == []
    line.finish()
    assert [decision.boundary for decision in line.decisions()] == [START // 60 + 5]


def test_lost_records_are_a_gap_up_to_the_clock_of_the_first_one_held() -> None:
    """Retention has deleted what a worker had not read."""
    values = [trade_value(0, [Trade(BTC, 0, 100.0)]), trade_value(60)]
    line = BarsLine([*values, trade_value(90), trade_value(240), trade_value(300)])
    line.read_trades(2)
    line.work()
    line.beginning = 3
    line.open()
    found = rows(line)
    assert [found[end]["coverage"] for end in range(1, 6)] == [1.0, 0.0, 0.0, 0.0, 1.0]
    assert found[4]["reasons"]["close"] == "gap"


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        candles_value(BTC, {}).replace(b'"v":1', b'"v":2'),
        candles_value("BTC-USD", {}),
        candles_value(BTC, {0: flat(1.0)}).replace(b'"volume":[2.0]', b'"volume":[]'),
        candles_value(BTC, {0: flat(0.0)}),
        candles_value(BTC, {0: flat(1.0)}).replace(b'"start":[1', b'"start":[-1'),
    ],
)
def test_a_record_that_is_no_candles_is_refused_and_counts_as_taken(value: bytes | None) -> None:
    line = BarsLine([])
    with pytest.raises(RecordError):
        line.candles.take(0, value)
    assert line.candles.next_offset == 1
    with pytest.raises(InvariantError):
        line.candles.take(5, candles_value(BTC, {}))


def test_candles_of_other_partitions_and_exchanges_are_passed_over() -> None:
    """Every partition of the topic holds every coin; BTC is of partition 2 of 8."""
    line = BarsLine([], partition=1, partitions=8)
    line.candles.take(0, candles_value(BTC, {0: flat(1.0)}))
    line.candles.take(1, candles_value("other:ETH-USD", {0: flat(1.0)}))
    assert line.candles.position("kraken") == 2
    line.candles.take(2, candles_value("kraken:ETH-USD", {0: flat(1.0)}))
    assert line.candles.position("kraken") == 2
