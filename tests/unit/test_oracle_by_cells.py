"""The oracle's rows against a slower reading of section 6: one quarter of a second at a time.

All times lie on quarters, so a cell `[q, q + 1)` is of one state throughout, and every rule can be
asked of every cell by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import rows_of
from tests.oracle.clocks import SKEW_WINDOW, Skew
from tests.oracle.wire import SECOND

QUARTER = SECOND // 4
BASE = 1_700_000_000
END = 240  # quarters
FOREVER = 10**6
BESTS = [(99.0, 101.0), (99.0, 100.0), (100.0, 104.0), (100.0, 100.0), (101.0, 100.0)]
THIN = (math.nan, 101.0)


@dataclass
class World:
    """Quotes (quarter, bid, ask) and unseen intervals (start, end, reason) in log order."""

    quotes: list[tuple[int, float, float]]
    unseen: list[tuple[int, int, str]]

    def in_force(self, q: int) -> tuple[float, float] | None:
        """Return bid and ask in the cell `q`: of the newest quotes the last in the log."""
        before = [quote for quote in self.quotes if quote[0] <= q]
        newest = max((quote[0] for quote in before), default=None)
        return next(((b, a) for at, b, a in reversed(before) if at == newest), None)

    def hidden(self, q: int) -> bool:
        """Return whether `q` lies in an unseen interval."""
        return any(start <= q < end for start, end, _ in self.unseen)

    def reason(self, q: int) -> str | None:
        """Return why the cell `q` is unseen."""
        around = [
            (start, place, reason)
            for place, (start, end, reason) in enumerate(self.unseen)
            if start <= q < end
        ]
        if around:
            return max(around)[2]
        ended = [
            (end, place, reason)
            for place, (start, end, reason) in enumerate(self.unseen)
            if reason != "stale" and start < end <= q
        ]
        dead = [one for one in ended if not any(one[0] <= at <= q for at, _, _ in self.quotes)]
        return max(dead)[2] if dead else None

    def good(self, q: int) -> bool:
        """Return whether the cell `q` is seen with a good quote in force."""
        best = self.in_force(q)
        return best is not None and best[0] <= best[1] and self.reason(q) is None

    def row(self, t: int) -> dict[str, Any] | None:
        """Return what the row at the quarter `t` must hold, or None."""
        cells = [q for q in range(t - 60, t) if self.good(q)]
        first = min(at for at, _, _ in self.quotes)
        earlier = any(self.good(q) for q in range(t - 64, t - 4))
        if not (cells or earlier or t - 4 <= first < t):
            return None
        spreads = [a - b for b, a in (self.in_force(q) or THIN for q in cells)]
        counted = [
            a - b for at, b, a in self.quotes if t - 60 <= at < t and b <= a and not self.hidden(at)
        ]
        return {
            "coverage": len(cells) / 60,
            "n": len(counted),
            "mean": sum(spreads) / len(spreads) if spreads else None,
            "tick_mean": sum(counted) / len(counted) if counted else None,
            "min": min(spreads + counted, default=None),
            "max": max(spreads + counted, default=None),
            "stale": self.reason(t - 1) is not None,
            "why": self.reason(t - 1),
        }


quotes = st.lists(
    st.tuples(st.integers(0, END - 1), st.sampled_from([*BESTS, *BESTS, THIN])),
    min_size=1,
    max_size=12,
)
intervals = st.lists(
    st.tuples(
        st.integers(0, END),
        st.one_of(st.integers(0, 90), st.just(FOREVER)),
        st.sampled_from(["stale", "gap", "down"]),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(quotes=quotes, intervals=intervals)
def test_rows_are_those_of_a_reading_cell_by_cell(
    quotes: list[tuple[int, tuple[float, float]]], intervals: list[tuple[int, int, str]]
) -> None:
    """Any quotes and intervals, however they overlap."""
    world = World(
        [(at, *best) for at, best in quotes],
        [(start, start + length, reason) for start, length, reason in intervals],
    )
    table = pd.DataFrame(world.quotes, columns=["time", "bid", "ask"])
    table = table.assign(
        time=BASE * SECOND + table["time"] * QUARTER,
        market="kraken:BTC-USD",
        partition=2,
        crossed=table["bid"] > table["ask"],
        one_sided=table["bid"].isna() | table["ask"].isna(),
    )
    unseen = pd.DataFrame(
        [
            ("kraken:BTC-USD", "quotes", BASE * SECOND + s * QUARTER, e, reason)
            for s, e, reason in (
                (s, 2**63 - 1 if e >= FOREVER else BASE * SECOND + e * QUARTER, reason)
                for s, e, reason in world.unseen
            )
        ],
        columns=["market", "kind", "start", "end", "reason"],
    )
    final = BASE * SECOND + (END + 80) * QUARTER
    found = {
        round(pd.Timestamp(row["as_of"]).timestamp() - BASE) * 4: row
        for row in rows_of(table, unseen, {("kraken", 2): final})
    }
    for t in range(4, END + 81, 4):
        expected = world.row(t)
        assert (t in found) == (expected is not None)
        if expected is None:
            continue
        row = found[t] | found[t]["windows"]["15s"]
        why = expected.pop("why")
        for name, value in expected.items():
            assert row[name] == (value if value is None else pytest.approx(value)), name
        if why is not None:
            assert row["reasons"]["bid"] == why
        best = world.in_force(t - 1)
        if why is None and best is not None and not math.isnan(best[0]):
            assert (row["bid"], row["ask"]) == best


frames = st.lists(st.tuples(st.integers(0, 200), st.integers(-50, 50)), min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(frames=frames, ahead=st.integers(0, 700))
def test_the_skew_is_what_its_sentence_says(frames: list[tuple[int, int]], ahead: int) -> None:
    """The least lag of the last 300 s; without one there, that of the newest frame before."""
    receives = np.cumsum([step for step, _ in frames]).tolist()
    lags = [lag for _, lag in frames]
    skew = Skew(
        [t * SECOND for t in receives],
        [(t - lag) * SECOND for t, lag in zip(receives, lags, strict=True)],
    )
    assert skew.at(0) == 0
    for seen, now in enumerate(receives, 1):
        skew.seen = seen
        for t in (now, now + ahead):
            within = [lag for at, lag in zip(receives[:seen], lags, strict=False) if at > t - 300]
            assert skew.at(t * SECOND) == (min(within) if within else lags[seen - 1]) * SECOND
        start, end = now * SECOND, (now + ahead) * SECOND
        reached = [t * SECOND - skew.at(t * SECOND) for t in range(now, now + ahead + 1)]
        reached += _just_before(skew, start, end)
        assert skew.furthest(start, end) == max(reached)


def _just_before(skew: Skew, start: int, end: int) -> list[int]:
    """Return (t − skew) at the last nanosecond before every whole second."""
    moments = range((start // SECOND + 1) * SECOND - 1, end, SECOND)
    assert SKEW_WINDOW == 300 * SECOND
    return [t - skew.at(t) for t in moments]
