"""Stories: what one source could say, drawn by hypothesis and cut into bursts in many ways."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st

from agents.ingestion.exchanges.events import Kind
from models.records.bursts import EVERY_MARKET, Unseen, UnseenReason
from tests.burst_log import KINDS, Log
from tests.made_bursts import SECOND, START, QuoteTick, TradeTick, quote_burst, trade_burst

QUARTER = SECOND // 4
MARKETS = ("kraken:BTC-USD", "kraken:BTC-EUR", "kraken:BTC-USDT")
_QUOTES = (
    (100.1, 100.3),
    (100.2, 100.7),
    (99.9, 100.0),
    (100.4, 100.4),
    (100.5, 100.2),
    (math.nan, 100.3),
    (100.1, math.nan),
)
_SIZES = (1.0, 0.25, 7.5)
_PRICES = (100.1, 100.2, 99.9, 100.45)
REASONS: tuple[UnseenReason, ...] = ("gap", "stale", "down")
_AHEAD = (0, 0, 1, QUARTER - 1, QUARTER, QUARTER + 1, SECOND, 5 * QUARTER)
_LENGTHS = (1, QUARTER, SECOND, 5 * QUARTER, 3 * SECOND, 40 * SECOND)


class Moment(msgspec.Struct, frozen=True):
    """What ingestion says of one kind while its clock stands at `clock`; None is nothing."""

    clock: int
    kind: Kind = "quotes"
    item: QuoteTick | TradeTick | Unseen | None = None


Story = list[Moment]


def cut(story: Story, cuts: Mapping[Kind, frozenset[int]], epoch: int = 1) -> Log:
    """Return the bursts of a story, cut by kind after the moments with these numbers."""
    log: Log = {}
    for kind in KINDS:
        ticks: list[QuoteTick | TradeTick] = []
        unseen: list[Unseen] = []
        values = log[f"kraken_{kind}", 2] = []
        for number, moment in enumerate(story):
            if moment.kind == kind and moment.item is not None:
                if isinstance(moment.item, Unseen):
                    unseen.append(moment.item)
                else:
                    ticks.append(moment.item)
            if number in cuts[kind] or number == len(story) - 1:
                burst: Any = quote_burst if kind == "quotes" else trade_burst
                values.append(burst(moment.clock, ticks, unseen, epoch=epoch))
                ticks, unseen = [], []
    return log


@st.composite
def stories(draw: st.DrawFn, jumps: bool = True) -> Story:
    """Draw what a source could say: no tick and no interval begins before the clock.

    The clock rises in quarters of a second, at times by more than a window; it ends on a whole
    second.
    """
    steps: tuple[int, ...] = (0, 0, 0, QUARTER, QUARTER, SECOND, 2 * SECOND + 1)
    steps += (17 * SECOND,) if jumps else ()
    clock = START + draw(st.sampled_from((0, QUARTER, SECOND - 1)))
    story: Story = []
    for _ in range(draw(st.integers(1, 30))):
        clock += draw(st.sampled_from(steps))
        market = draw(st.sampled_from(MARKETS))
        time = clock + draw(st.sampled_from(_AHEAD))
        what = draw(st.sampled_from(("quote", "quote", "quote", "trade", "unseen", "nothing")))
        match what:
            case "quote":
                bid, ask = draw(st.sampled_from(_QUOTES))
                sizes = (nan if nan != nan else draw(st.sampled_from(_SIZES)) for nan in (bid, ask))
                item = QuoteTick(market, time, bid, ask, *sizes)
                story.append(Moment(clock, "quotes", item))
            case "trade":
                price, side = draw(st.sampled_from(_PRICES)), draw(st.sampled_from((1, -1)))
                late = draw(st.sampled_from((False, False, False, True)))
                trade = TradeTick(market, time, price, side, late)
                story.append(Moment(clock, "trades", trade))
            case "unseen":
                who = draw(st.sampled_from((market, market, EVERY_MARKET)))
                reason = draw(st.sampled_from(REASONS))
                row = Unseen(who, time, time + draw(st.sampled_from(_LENGTHS)), reason)
                story.append(Moment(clock, draw(st.sampled_from(KINDS)), row))
            case _:
                story.append(Moment(clock))
    newest = max([clock, *(_end(moment) for moment in story)])
    story.append(Moment((newest // SECOND + 1) * SECOND))
    return story


def _end(moment: Moment) -> int:
    match moment.item:
        case QuoteTick() | TradeTick():
            return moment.item.time
        case Unseen():
            return moment.item.end
        case _:
            return 0


def cuts_of(story: Story) -> st.SearchStrategy[dict[Kind, frozenset[int]]]:
    """Draw after which moments each kind is cut."""
    numbers = st.frozensets(st.integers(0, len(story) - 1))
    return st.fixed_dictionaries(dict.fromkeys(KINDS, numbers))


WHOLE: dict[Kind, frozenset[int]] = {kind: frozenset() for kind in KINDS}
"""The cuts of a story that goes out as one burst a topic."""
