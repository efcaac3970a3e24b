"""Bars and indicators of stories with holes, quiet minutes, late trades, jumps and candles.

Whatever is read in whatever order, and wherever a worker dies, what is published is the oracle's
for the candle decisions that stand in the changelog; what is sent twice is the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.records.bursts import EVERY_MARKET, Unseen, UnseenReason
from tests.bars_in_memory import (
    BarsLine,
    Death,
    Trade,
    at,
    candles_value,
    check,
    frames_of,
    trade_value,
)

MARKETS = ("kraken:BTC-USD", "kraken:BTC-EUR", "kraken:ETH-USD")
REASONS: tuple[UnseenReason, ...] = ("gap", "stale", "down")
_STEPS = (0, 1, 7, 20, 20, 45, 60, 60, 60, 61, 120, 300)
_JUMPS = (3_600, 4_100, 4_100, 50_000)
_LENGTHS = (0.5, 20, 60, 90, 400, 3_700, 5_000, 90_000)


class Story(msgspec.Struct):
    """Bursts of one source, what they hold, and records of candles."""

    values: list[bytes] = []
    trades: list[Trade] = []
    unseen: list[Unseen] = []
    candles: list[bytes] = []
    clock: float = 0.0


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw what a source could say: no tick and no interval begins before the clock."""
    story = Story(clock=draw(st.sampled_from((30.0, 0.0, 3_590.0, 86_000.0))))
    begin = int(story.clock // 60)
    jumps = draw(st.integers(0, 2))
    for _ in range(draw(st.integers(1, 25))):
        step = draw(st.sampled_from(_STEPS + _JUMPS if jumps else _STEPS))
        jumps -= step in _JUMPS
        story.clock += step
        trades: list[Trade] = []
        unseen: list[Unseen] = []
        for _ in range(draw(st.integers(0, 3))):
            market = draw(st.sampled_from(MARKETS))
            ahead = draw(st.sampled_from((0.0, 0.0, 0.1, 3.0, 61.0)))
            price = draw(st.sampled_from((100.0, 100.5, 99.25, 103.0)))
            late = ahead == 0.0 and draw(st.integers(0, 4)) == 0
            size = draw(st.sampled_from((0.0, 0.5, 2.0)))
            trades.append(Trade(market, story.clock + ahead, price, size, late))
        if draw(st.integers(0, 3)) == 0:
            who = draw(st.sampled_from((*MARKETS, EVERY_MARKET)))
            start = story.clock + draw(st.sampled_from((0.0, 0.0, 2.0, 60.0)))
            length = draw(st.sampled_from(_LENGTHS))
            unseen.append(
                Unseen(who, at(start), at(start + length), draw(st.sampled_from(REASONS)))
            )
        story.values.append(trade_value(story.clock, trades, unseen))
        story.trades += trades
        story.unseen += unseen
    story.clock = (max(story.clock, *(trade.time for trade in story.trades), 0) // 60 + 1) * 60
    story.values.append(trade_value(story.clock))
    for _ in range(draw(st.integers(0, 3))):
        story.candles.append(draw(_candles(begin - 100, int(story.clock // 60))))
    return story


@st.composite
def _candles(draw: st.DrawFn, begin: int, end: int) -> bytes:
    first = draw(st.integers(begin, end - 1))
    length = draw(st.sampled_from((1, 2, 10, 60, 200)))
    price = draw(st.sampled_from((98.0, 101.0)))
    left_out = draw(st.integers(2, 9))
    minutes = {
        minute: (price, price + 2, price - 1, price + minute % 3 / 4)
        for minute in range(first, min(first + length, end))
        if minute == first or minute % left_out
    }
    volume = draw(st.sampled_from((0.0, 2.0)))
    return candles_value(draw(st.sampled_from(MARKETS)), minutes, volume, draw(st.booleans()))


def verify(line: BarsLine, story: Story) -> None:
    """Bring out what is left, and see that all of it is the oracle's."""
    line.finish()
    trades, unseen = frames_of(story.trades, story.unseen)
    check(line, trades, unseen, at(story.clock), every=61)
    assert sum(len(decision.records) for decision in line.decisions()) == len(story.candles)


common = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


DEATHS: tuple[Death, ...] = ("changelog", "outputs", "after")


@common
@given(stories(), st.data())
def test_nothing_changes_wherever_a_worker_dies(story: Story, data: st.DataObject) -> None:
    """Topics are read in any order; deaths lie within groups, between them, and after them."""
    line = BarsLine(story.values, story.candles)
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(("trades", "trades", "candles", "work", "die", "restart"))):
            case "trades":
                line.read_trades(data.draw(st.integers(1, 15)))
            case "candles":
                line.read_candles(data.draw(st.integers(1, 2)))
            case "work":
                line.work(data.draw(st.integers(1, 3)))
            case "die":
                line.die(data.draw(st.sampled_from(DEATHS)), data.draw(st.integers(0, 6)))
            case "restart":
                line.open()
    verify(line, story)


def _values(story: Story, cuts: Sequence[int]) -> list[bytes]:
    """Return the story's last clock with everything in one burst, or in as many as there are."""
    if not cuts:
        return [trade_value(story.clock, story.trades, story.unseen)]
    return story.values


@common
@given(stories())
def test_where_bursts_are_cut_changes_no_byte(story: Story) -> None:
    """All of a story in one burst gives what many bursts give."""
    one, many = (BarsLine(_values(story, cuts)) for cuts in ([], [1]))
    one.finish()
    many.finish()
    assert one.series() == many.series()
