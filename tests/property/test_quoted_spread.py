"""One second of quoted spreads against a slow reading of sections 5 and 6 of the contract."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from models.records.bursts import Unseen, UnseenReason
from models.statistics.quoted_size import quoted_size
from models.statistics.quoted_spread import quoted_spread
from models.statistics.quotes_in_force import (
    CarriedQuotes,
    Quotes,
    QuotesInForce,
    quotes_in_force,
)
from tests.made_bursts import SECOND, START
from tests.stories import MARKETS, QUARTER, REASONS

LENGTH = 5
"""Seconds of a world."""

PAIRS = (
    (100.0, 101.0),
    (100.0, 102.0),
    (99.5, 103.0),
    (100.0, 100.0),
    (101.0, 100.0),
    (math.nan, 101.0),
    (100.0, math.nan),
    (math.nan, math.nan),
)
SIZES = st.sampled_from((0.25, 1.0, 3.0, 0.0))
TIMES = st.one_of(
    st.integers(0, 4 * LENGTH - 1).map(lambda n: START + n * QUARTER),
    st.integers(0, LENGTH * SECOND - 1).map(lambda n: START + n),
    st.sampled_from((SECOND - 1, SECOND + 1, 2 * SECOND - 1)).map(lambda n: START + n),
)
LENGTHS = st.one_of(
    st.sampled_from((0, 1, QUARTER, SECOND, 2 * SECOND, 100 * SECOND)),
    st.integers(0, 3 * SECOND),
)
Quote = tuple[str, int, float, float, float, float]
"""Market, time, bid, ask and their sizes."""


@dataclass
class Second:
    """What must come out of one second for one market."""

    good_ns: int = 0
    spreads: list[tuple[float, float, int]] = field(default_factory=list)
    counted: list[float] = field(default_factory=list)
    imbalance_ns: float = 0.0
    sized_ns: int = 0
    depth_ns: float = 0.0


@dataclass
class World:
    """Quotes and unseen intervals in the order of the log; every question is asked anew."""

    quotes: list[Quote]
    rows: list[Unseen]

    def of(self, market: str) -> list[Quote]:
        """Return the quotes of a market in event-time order, equal times in that of the log."""
        return sorted((q for q in self.quotes if q[0] == market), key=lambda q: q[1])

    def rows_of(self, market: str) -> list[Unseen]:
        """Return the unseen intervals of a market."""
        return [row for row in self.rows if row.market in (market, "*")]

    def in_force(self, market: str, t: int) -> Quote | None:
        """Return the quote in force at a time."""
        return next((q for q in reversed(self.of(market)) if q[1] <= t), None)

    def why(self, market: str, t: int) -> UnseenReason | None:
        """Return why a time is unseen, apart from there being no quote yet."""
        rows = self.rows_of(market)
        around = [(r.start, n, r.reason) for n, r in enumerate(rows) if r.start <= t < r.end]
        if around:
            return max(around)[2]
        times = [q[1] for q in self.of(market)]
        dead = [
            (row.end, n, row.reason)
            for n, row in enumerate(rows)
            if row.reason in ("gap", "down")
            and row.end <= t
            and not any(row.end <= time <= t for time in times)
        ]
        return max(dead)[2] if dead else None

    def mid(self, market: str, t: int) -> float | None:
        """Return the mid in force at a time, None where that is not good."""
        quote = self.in_force(market, t)
        if quote is None or not quote[2] <= quote[3] or self.why(market, t) is not None:
            return None
        return (quote[2] + quote[3]) / 2

    def second(self, market: str, begin: int, end: int) -> Second:
        """Return the figures of `[begin, end)`, one stretch without any change after another."""
        quotes, rows = self.of(market), self.rows_of(market)
        changes = [q[1] for q in quotes] + [t for row in rows for t in (row.start, row.end)]
        points = sorted({begin, end, *(t for t in changes if begin < t < end)})
        result = Second()
        for a, b in pairwise(points):
            quote = self.in_force(market, a)
            if quote is not None and quote[2] <= quote[3] and self.why(market, a) is None:
                result.good_ns += b - a
                result.spreads.append((quote[3] - quote[2], bps(quote), b - a))
                total = quote[4] + quote[5]
                result.depth_ns += (quote[2] * quote[4] + quote[3] * quote[5]) * (b - a)
                if total:
                    result.sized_ns += b - a
                    result.imbalance_ns += (quote[4] - quote[5]) / total * (b - a)
        for quote in quotes:
            hidden = any(row.start <= quote[1] < row.end for row in rows)
            if begin <= quote[1] < end and quote[2] <= quote[3] and not hidden:
                result.counted.append(quote[3] - quote[2])
        return result


def bps(quote: Quote) -> float:
    """Return the spread of a quote in basis points of its middle."""
    return 10_000 * (quote[3] - quote[2]) / ((quote[2] + quote[3]) / 2)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw any quotes and any intervals, however they overlap."""
    quotes = [
        (
            draw(st.sampled_from(MARKETS)),
            draw(TIMES),
            *draw(st.sampled_from(PAIRS)),
            draw(SIZES),
            draw(SIZES),
        )
        for _ in range(draw(st.integers(1, 14)))
    ]
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(TIMES)
        market = draw(st.sampled_from((*MARKETS, "*")))
        rows.append(Unseen(market, start, start + draw(LENGTHS), draw(st.sampled_from(REASONS))))
    return World(quotes, rows)


def close(world: World, begin: int, names: Sequence[str], carried: CarriedQuotes) -> QuotesInForce:
    """Close a second of a world with what a source log hands out for it."""
    end = begin + SECOND
    here = sorted((q for q in world.quotes if begin <= q[1] < end), key=lambda q: q[1])
    return quotes_in_force(
        begin,
        end,
        names,
        Quotes(
            np.array([names.index(q[0]) for q in here], np.uint16),
            np.array([q[1] for q in here], np.int64),
            np.array([q[2] for q in here], np.float64),
            np.array([q[3] for q in here], np.float64),
            np.array([q[4] for q in here], np.float64),
            np.array([q[5] for q in here], np.float64),
        ),
        [r for r in world.rows if r.start < end and (r.end > begin or r.start >= begin)],
        carried,
    )


def check(world: World, begin: int, names: Sequence[str], second: QuotesInForce) -> None:
    """Check a closed second market by market."""
    end = begin + SECOND
    panes = quoted_spread(second) | quoted_size(second)
    for code, market in enumerate(names):
        expected = world.second(market, begin, end)
        pane = {name: column[code] for name, column in panes.items()}
        assert pane["good_ns"] == expected.good_ns
        assert pane["n"] == len(expected.counted)
        assert pane["spread_ns"] == pytest.approx(sum(s * ns for s, _, ns in expected.spreads))
        assert pane["spread_bps_ns"] == pytest.approx(sum(b * ns for _, b, ns in expected.spreads))
        assert pane["spread_sum"] == pytest.approx(sum(expected.counted))
        assert pane["imbalance_ns"] == pytest.approx(expected.imbalance_ns, abs=1e-6)
        assert pane["sized_ns"] == expected.sized_ns
        assert pane["depth_ns"] == pytest.approx(expected.depth_ns)
        spreads = [s for s, _, _ in expected.spreads] + expected.counted
        assert pane["minimum"] == min(spreads, default=math.inf)
        assert pane["maximum"] == max(spreads, default=-math.inf)
        quote = world.in_force(market, end - 1)
        assert bool(second.after.known[code]) == (quote is not None)
        first = quote is not None and world.in_force(market, begin - 1) is None
        assert bool(second.first_quoted[code]) == first
        if quote is None:
            continue
        after = second.after
        carried = tuple(
            column[code] for column in (after.bid, after.ask, after.bid_size, after.ask_size)
        )
        assert carried == pytest.approx(quote[2:], nan_ok=True, rel=0, abs=0)
        assert after.first[code] == world.of(market)[0][1]
        assert second.unseen_at_end.get(code) == world.why(market, end - 1)
        assert bool(after.unseen[code]) == (code in second.unseen_at_end)


@settings(max_examples=250, deadline=None)
@given(worlds(), st.booleans())
def test_every_second_is_what_a_slow_reading_of_the_contract_gives(
    world: World, known_from_the_start: bool
) -> None:
    """Crossed, locked and one-sided quotes, equal times, every reason, second after second."""
    first = {market: min((q[1] for q in world.of(market)), default=0) for market in MARKETS}
    order = sorted((m for m in MARKETS if world.of(m)), key=lambda m: first[m])
    carried = CarriedQuotes.none()
    for begin in range(START, START + LENGTH * SECOND, SECOND):
        names = [m for m in order if known_from_the_start or first[m] < begin + SECOND]
        second = close(world, begin, names, carried)
        check(world, begin, names, second)
        carried = second.after
    event("intervals" if world.rows else "no intervals")


@settings(max_examples=150, deadline=None)
@given(worlds(), st.lists(st.tuples(st.sampled_from(MARKETS), TIMES), min_size=1, max_size=12))
def test_the_mid_at_any_moment_is_what_a_slow_reading_of_the_contract_gives(
    world: World, asked: list[tuple[str, int]]
) -> None:
    """Also just before a second begins, where only what was carried in says it."""
    names = list(MARKETS)
    carried = CarriedQuotes.none()
    for begin in range(START, START + LENGTH * SECOND, SECOND):
        second = close(world, begin, names, carried)
        here = [(market, t) for market, t in asked if begin <= t < begin + SECOND]
        here += [(market, begin - 1) for market in names]
        mids = second.mids(
            np.array([names.index(market) for market, _ in here], np.uint16),
            np.array([t for _, t in here], np.int64),
        )
        expected = [world.mid(market, t) for market, t in here]
        assert [None if math.isnan(mid) else mid for mid in mids.tolist()] == expected
        carried = second.after


USD = MARKETS[0]


def one_second(quotes: Sequence[tuple[int, float, float]], rows: Sequence[Unseen]) -> QuotesInForce:
    """Close the first second of a world with one market; times are in quarters."""
    ticks = [(USD, START + q * QUARTER, bid, ask, 1.0, 1.0) for q, bid, ask in quotes]
    world = World(ticks, list(rows))
    return close(world, START, [USD], CarriedQuotes.none())


def pane_of(second: QuotesInForce) -> dict[str, float]:
    """Return the pane of the only market."""
    return {name: float(column[0]) for name, column in quoted_spread(second).items()}


def test_a_crossed_quote_hides_the_time_until_the_next_good_one() -> None:
    """By hand: a quarter at 1, a quarter crossed, half a second at 3."""
    second = one_second([(0, 100.0, 101.0), (1, 101.0, 100.0), (2, 100.0, 103.0)], [])
    assert pane_of(second) == {
        "good_ns": 3 * QUARTER,
        "n": 2,
        "spread_ns": 7 * QUARTER,
        "spread_bps_ns": pytest.approx((1e4 / 100.5 + 2 * 3e4 / 101.5) * QUARTER),
        "spread_sum": 4.0,
        "minimum": 1.0,
        "maximum": 3.0,
    }


def test_of_quotes_of_one_time_the_last_is_in_force_and_all_are_counted() -> None:
    second = one_second([(2, 100.0, 101.0), (2, 100.0, 105.0), (2, 100.0, 102.0)], [])
    pane = pane_of(second)
    assert (pane["n"], pane["spread_sum"]) == (3, 8.0)
    assert (pane["spread_ns"], pane["minimum"], pane["maximum"]) == (2.0 * 2 * QUARTER, 1.0, 5.0)
    assert (second.after.bid[0], second.after.ask[0]) == (100.0, 102.0)


@pytest.mark.parametrize(
    ("reason", "good"), [("stale", 3 * QUARTER), ("gap", QUARTER), ("down", QUARTER)]
)
def test_only_a_stale_interval_gives_the_quote_back_when_it_ends(
    reason: UnseenReason, good: int
) -> None:
    row = Unseen("*", START + QUARTER, START + 2 * QUARTER, reason)
    second = one_second([(0, 100.0, 101.0)], [row])
    assert pane_of(second)["good_ns"] == good
    assert second.unseen_at_end == ({} if reason == "stale" else {0: reason})
    assert second.after.dead == second.unseen_at_end


def test_a_quote_within_an_interval_counts_nowhere_but_may_be_in_force_behind_it() -> None:
    """A quote in the interval does not end what makes a market dead behind it."""
    stale = Unseen(USD, START, START + 2 * QUARTER, "stale")
    assert pane_of(one_second([(1, 100.0, 101.0)], [stale])) == {
        "good_ns": 2 * QUARTER,
        "n": 0,
        "spread_ns": 2 * QUARTER,
        "spread_bps_ns": pytest.approx(2 * QUARTER * 1e4 / 100.5),
        "spread_sum": 0,
        "minimum": 1.0,
        "maximum": 1.0,
    }
    gap = Unseen(USD, START, START + 2 * QUARTER, "gap")
    assert pane_of(one_second([(1, 100.0, 101.0)], [gap]))["good_ns"] == 0
    assert pane_of(one_second([(2, 100.0, 101.0)], [gap]))["good_ns"] == 2 * QUARTER


def test_of_several_intervals_the_one_that_began_last_gives_the_reason() -> None:
    """Equal starts: the later in the log."""
    end = START + 2 * SECOND
    rows = [
        Unseen(USD, START + QUARTER, end, "gap"),
        Unseen("*", START + QUARTER, end, "down"),
        Unseen(USD, START, end, "stale"),
    ]
    assert one_second([(0, 100.0, 101.0)], rows).unseen_at_end == {0: "down"}
    assert one_second([(0, 100.0, 101.0)], rows[::-1]).unseen_at_end == {0: "gap"}


def test_a_second_without_anything_is_neutral() -> None:
    nothing = Quotes(
        np.zeros(0, np.uint16), np.zeros(0, np.int64), *(np.zeros(0) for _ in range(4))
    )
    second = quotes_in_force(START, START + SECOND, [USD], nothing, [], CarriedQuotes.none())
    pane = pane_of(second)
    assert (pane.pop("minimum"), pane.pop("maximum")) == (math.inf, -math.inf)
    assert set(pane.values()) == {0.0}
    assert not second.after.known.any()
    assert not second.first_quoted.any()
