"""The oracle's rows against a slower reading of sections 6 and 7, quarter by quarter of a second.

All times lie on quarters, so a cell `[q, q + 1)` is of one state throughout, and every rule can be
asked of every cell by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import rows_of
from tests.oracle.clocks import SKEW_WINDOW, Skew
from tests.oracle.compare import paths_in
from tests.oracle.wire import SECOND

QUARTER = SECOND // 4
BASE = 1_700_000_000
END = 240  # quarters
FOREVER = 10**6
WINDOWS = {"15s": 60, "1m": 240, "5m": 1_200}
BESTS = [(99.0, 101.0), (99.0, 100.0), (100.0, 104.0), (100.0, 100.0), (101.0, 100.0)]
THIN = (math.nan, 101.0)
MARKET = "kraken:BTC-USD"

Best = tuple[float, float, float, float]
"""Bid, ask, bid size and ask size."""
Interval = tuple[int, int, str]


def mean(values: list[float]) -> float | None:
    """Return the plain mean, None of nothing."""
    return math.fsum(values) / len(values) if values else None


def newest(intervals: list[Interval], q: int) -> str | None:
    """Return the reason of the interval around `q` that began last, of those the later."""
    around = [(start, n, why) for n, (start, end, why) in enumerate(intervals) if start <= q < end]
    return max(around)[2] if around else None


class World:
    """Quotes (quarter, best), trades (quarter, price, side) and unseen intervals in log order."""

    def __init__(
        self,
        quotes: list[tuple[int, Best]],
        unseen: list[Interval],
        trades: list[tuple[int, float, int]],
        trades_unseen: list[Interval],
    ) -> None:
        self.quotes, self.unseen = quotes, unseen
        self.trades, self.trades_unseen = trades, trades_unseen
        self.first = min(at for at, _ in quotes)

    def best(self, q: int) -> Best:
        """Return what is in force in the cell `q`: of the newest quotes the last in the log."""
        before = [quote for quote in self.quotes if quote[0] <= q]
        at = max(quote[0] for quote in before)
        return next(best for time, best in reversed(before) if time == at)

    def reason(self, q: int) -> str | None:
        """Return why the cell `q` is unseen."""
        if (around := newest(self.unseen, q)) is not None:
            return around
        ended = [
            (end, place, reason)
            for place, (start, end, reason) in enumerate(self.unseen)
            if reason != "stale" and start < end <= q
        ]
        dead = [one for one in ended if not any(one[0] <= at <= q for at, _ in self.quotes)]
        return max(dead)[2] if dead else None

    @cached_property
    def cells(self) -> dict[int, Best]:
        """The cells that are seen with a good quote in force, and that quote."""
        cells = {}
        for q in range(self.first, END + 80):
            best = self.best(q)
            if best[0] <= best[1] and self.reason(q) is None:
                cells[q] = best
        return cells

    def mid(self, q: int) -> float | None:
        """Return the mid of a good cell."""
        return (self.cells[q][0] + self.cells[q][1]) / 2 if q in self.cells else None

    def window(self, t: int, length: int) -> dict[str, Any]:
        """Return the window of `length` quarters before t, without reasons."""
        bests = [self.cells[q] for q in range(t - length, t) if q in self.cells]
        spreads = [ask - bid for bid, ask, _, _ in bests]
        counted = [
            ask - bid
            for at, (bid, ask, _, _) in self.quotes
            if t - length <= at < t and bid <= ask and newest(self.unseen, at) is None
        ]
        prices = [price for at, price, _ in self.trades if t - length <= at < t]
        return {
            "mean": mean(spreads),
            "mean_bps": mean([2e4 * (a - b) / (a + b) for b, a, _, _ in bests]),
            "tick_mean": mean(counted),
            "min": min(spreads + counted, default=None),
            "max": max(spreads + counted, default=None),
            "n": len(counted),
            "coverage": len(bests) / length,
            "imbalance": mean([(x - y) / (x + y) for _, _, x, y in bests]),
            "depth": mean([b * x + a * y for b, a, x, y in bests]),
            "trades_n": len(prices),
            "trade_low": min(prices, default=None),
            "trade_high": max(prices, default=None),
        }

    def trading(self, t: int) -> dict[str, Any]:
        """Return what takers paid."""
        row: dict[str, Any] = {}

        def over(back: int, figure: Callable[[float, int, float, float], float]) -> list[float]:
            """Return a figure of (price, side, mid before, mid later); back is in quarters."""
            found = []
            for at, price, side in self.trades:
                before, later = self.mid(at - 1), self.mid(at + back if back else at - 1)
                inside = t - 60 - back <= at < t - back
                if inside and before is not None and later is not None:
                    found.append(2e4 * figure(price, side, before, later) / before)
            return found

        effective = over(0, lambda price, side, before, _: side * (price - before))
        row |= {"effective_bps": mean(effective), "trades_n": len(effective)}
        for name, back in (("5s", 20), ("60s", 240)):
            realised = over(back, lambda price, side, _, later: side * (price - later))
            impact = over(back, lambda _, side, before, later: side * (later - before))
            row |= {f"realised_{name}_bps": mean(realised), f"realised_{name}_n": len(realised)}
            row[f"impact_{name}_bps"] = mean(impact)
        seen = [
            q for q in range(max(t - 60, self.first), t) if newest(self.trades_unseen, q) is None
        ]
        return row | {"trades_coverage": len(seen) / 60}

    def numbers_of_panes(self, t: int) -> dict[str, int]:
        """Return how many panes and neighbouring pairs the baseline of t has; never 30 here."""
        first = -(-(self.first // 4) // 10)
        known = set()
        for pane in range(first, (t // 4 - 15) // 10):
            cells = [self.cells[q] for q in range(pane * 40, pane * 40 + 40) if q in self.cells]
            if any(bid < ask for bid, ask, _, _ in cells):
                known.add(pane)
        pairs = sum(pane + 1 in known for pane in known)
        return {"z_n": len(known), "half_life_n": pairs}

    def row(self, t: int) -> dict[str, Any] | None:
        """Return what the row at the quarter `t` must hold by path, or None."""
        windows = {label: self.window(t, length) for label, length in WINDOWS.items()}
        earlier = any(q in self.cells for q in range(t - 64, t - 4))
        if not (windows["15s"]["coverage"] or earlier or t - 4 <= self.first < t):
            return None
        why, (bid, ask, x, y) = self.reason(t - 1), self.best(t - 1)
        sides = why or ("thin" if math.isnan(bid) else None)
        middle = sides or ("crossed" if bid > ask else None)
        no_trades = newest(self.trades_unseen, t - 1) or "no_trades"
        row: dict[str, Any] = {"bid": bid, "ask": ask, "bid_size": x, "ask_size": y}
        reasons: dict[str, str | None] = dict.fromkeys(row, sides)
        row |= {"mid": (bid + ask) / 2, "spread": ask - bid, "imbalance": (x - y) / (x + y)}
        row["spread_bps"] = 2e4 * (ask - bid) / (ask + bid)
        reasons |= dict.fromkeys(("mid", "spread", "spread_bps", "imbalance"), middle)
        row = {path: None if reasons[path] else value for path, value in row.items()}
        for label, window in windows.items():
            for name, value in window.items():
                row[f"windows.{label}.{name}"] = value
                reason: str | None = no_trades if name.startswith("trade") else middle
                if name == "tick_mean" and window["coverage"]:
                    reason = "quiet"
                reasons[f"windows.{label}.{name}"] = reason
        trading = self.trading(t)
        reasons |= dict.fromkeys(trading, no_trades)
        baseline = ("half_life_s", "z", "baseline_bps", "baseline_sigma")
        reasons |= dict.fromkeys(baseline, "warming")
        if not windows["15s"]["coverage"]:
            reasons["z"] = middle
        row |= trading | self.numbers_of_panes(t) | dict.fromkeys(baseline)
        row["stale"] = why is not None
        return row | {"reasons": {path: reasons[path] for path in row if row[path] is None}}


sizes = st.sampled_from([0.5, 1.0, 3.0])
bests = st.tuples(st.sampled_from([*BESTS, *BESTS, THIN]), sizes, sizes).map(
    lambda drawn: (*drawn[0], *((math.nan, drawn[2]) if drawn[0] is THIN else drawn[1:]))
)
quotes = st.lists(st.tuples(st.integers(0, END - 1), bests), min_size=1, max_size=12)
trades = st.lists(
    st.tuples(
        st.integers(0, END - 1), st.sampled_from([99.0, 100.5, 103.0]), st.sampled_from([-1, 1])
    ),
    max_size=12,
)
intervals = st.lists(
    st.tuples(
        st.integers(0, END),
        st.one_of(st.integers(0, 90), st.just(FOREVER)),
        st.sampled_from(["stale", "gap", "down"]),
    ).map(lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2])),
    max_size=4,
)


def time_of(quarter: int) -> int:
    """Return nanoseconds since the epoch."""
    return 2**63 - 1 if quarter >= FOREVER else BASE * SECOND + quarter * QUARTER


@settings(max_examples=60, deadline=None)
@given(quotes=quotes, unseen=intervals, trades=trades, trades_unseen=intervals)
def test_rows_are_those_of_a_reading_cell_by_cell(
    quotes: list[tuple[int, Best]],
    unseen: list[Interval],
    trades: list[tuple[int, float, int]],
    trades_unseen: list[Interval],
) -> None:
    """Any quotes, trades and intervals, however they overlap; every figure and every reason."""
    world = World(quotes, unseen, trades, trades_unseen)
    table = pd.DataFrame(
        [(time_of(at), *best) for at, best in quotes],
        columns=["time", "bid", "ask", "bid_size", "ask_size"],
    )
    table = table.assign(
        market=MARKET,
        partition=2,
        crossed=table["bid"] > table["ask"],
        one_sided=table["bid"].isna() | table["ask"].isna(),
    )
    traded = pd.DataFrame(
        [(MARKET, time_of(at), False, price, side) for at, price, side in trades],
        columns=["market", "time", "late", "price", "side"],
    )
    told = pd.DataFrame(
        [
            (MARKET, kind, time_of(start), time_of(end), reason)
            for kind, rows in (("quotes", unseen), ("trades", trades_unseen))
            for start, end, reason in rows
        ],
        columns=["market", "kind", "start", "end", "reason"],
    )
    found = {
        round(pd.Timestamp(row["as_of"]).timestamp() - BASE) * 4: row
        for row in rows_of(table, told, {("kraken", 2): time_of(END + 80)}, traded)
    }
    for t in range(4, END + 81, 4):
        expected = world.row(t)
        assert (t in found) == (expected is not None)
        if expected is None:
            continue
        row = found[t]
        assert row["reasons"] == expected.pop("reasons")
        assert set(paths_in(row)) == set(expected)
        for path, value in expected.items():
            part: Any = row
            for name in path.split("."):
                part = part[name]
            assert part == (value if value is None else pytest.approx(value, abs=1e-9)), path


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
