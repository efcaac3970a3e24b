"""The spread's statistics against scipy, pandas and slow readings, at every prefix."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from models.records.bursts import Unseen
from models.statistics.deviation import deviation, z_score
from models.statistics.mean_reversion import half_life, mean_reversion
from models.statistics.quotes_in_force import CarriedQuotes, Quotes, quotes_in_force
from models.statistics.seen_time import seen_time
from models.statistics.sums_in_order import sum_by_market, sum_in_order
from models.statistics.trade_costs import Trades, effective, realised, with_mids
from models.statistics.trade_range import trade_range
from tests.made_bursts import SECOND, START
from tests.stories import MARKETS, REASONS

VALUES = st.one_of(st.floats(-20, 20), st.floats(-1e-3, 1e-3), st.just(math.nan))


def series(rows: list[float]) -> NDArray[np.float64]:
    """Return values as one column."""
    return np.array(rows, np.float64).reshape(-1, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=40))
def test_mean_and_deviation_are_those_of_pandas_at_every_prefix(rows: list[float]) -> None:
    """Holes are left out; below two values there is no deviation."""
    for end in range(1, len(rows) + 1):
        found, expected = deviation(series(rows[:end])), pd.Series(rows[:end])
        assert found.n[0] == expected.count()
        assert found.mean[0] == pytest.approx(expected.mean(), abs=1e-12, nan_ok=True)
        assert found.deviation[0] == pytest.approx(
            expected.std(ddof=1), rel=1e-9, abs=1e-14, nan_ok=True
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=40))
def test_the_slope_is_that_of_scipy_at_every_prefix(rows: list[float]) -> None:
    """Over the neighbours that both have a value; NaN where the earlier ones do not vary."""
    for end in range(2, len(rows) + 1):
        found = mean_reversion(series(rows[:end]))
        pairs = [(a, b) for a, b in pairwise(rows[:end]) if a == a and b == b]
        assert found.pairs[0] == len(pairs)
        if len({a for a, _ in pairs}) < 2:
            assert math.isnan(found.slope[0])
        elif np.std([a for a, _ in pairs]) > 1e-4:
            slope = stats.linregress(*zip(*pairs, strict=True)).slope
            assert found.slope[0] == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_what_does_not_vary_but_for_rounding_does_not_vary() -> None:
    """The sum of equal logarithms has its own last bits."""
    rows = [math.log(0.1 + 1e-17 * n) + (n % 3) * 4e-16 for n in range(60)]
    found = deviation(series(rows))
    assert found.deviation[0] < 1e-9
    assert math.isnan(mean_reversion(series(rows)).slope[0])


def test_the_half_life_of_a_known_process_comes_back() -> None:
    """Of x = φ x + ε with φ = 0.9 half is left after 6.6 steps; a rising series has none."""
    random = np.random.default_rng(5)
    x = [0.0]
    for step in random.normal(0, 1, 20_000).tolist():
        x.append(0.9 * x[-1] + step)
    found = mean_reversion(series(x))
    assert half_life(found.slope)[0] == pytest.approx(math.log(0.5) / math.log(0.9), rel=0.05)
    assert math.isnan(half_life(mean_reversion(series([2.0**n for n in range(9)])).slope)[0])
    assert math.isnan(half_life(mean_reversion(series([1.0, -1.0, 1.0, -1.0])).slope)[0])


def test_z_counts_deviations_from_the_mean() -> None:
    baseline = deviation(np.array([[1.0, 5.0], [3.0, 5.0]]))
    z = z_score(np.array([2 + 2 * math.sqrt(2), 5.0]), baseline)
    assert z[0] == pytest.approx(2.0)
    assert math.isnan(z[1])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_neither_other_columns_nor_leading_holes_change_a_bit(data: st.DataObject) -> None:
    """One market alone has the bits that it has among many, in any width and any place."""
    count, width = data.draw(st.integers(2, 200)), data.draw(st.integers(1, 9))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = random.normal(0, 1, (count, width)) * 10.0 ** random.integers(-8, 8, (count, width))
    x[random.random((count, width)) < 0.1] = np.nan
    padded = np.concatenate((np.full((7, width), np.nan), x))
    whole, fit = deviation(padded), mean_reversion(padded)
    for market in range(width):
        alone = np.ascontiguousarray(x[:, market : market + 1])
        mine, mine_fit = deviation(alone), mean_reversion(alone)
        assert np.array_equal(mine.mean, whole.mean[[market]], equal_nan=True)
        assert np.array_equal(mine.deviation, whole.deviation[[market]], equal_nan=True)
        assert np.array_equal(mine_fit.slope, fit.slope[[market]], equal_nan=True)
        logs = np.log(np.abs(x[0]))
        assert np.array_equal(np.log(np.abs(alone[0])), logs[[market]], equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32))
def test_sums_are_those_of_a_loop_in_any_shape(
    count: int, width: int, spare: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    wide = random.normal(0, 1, (count, 3, width + spare)) * 1e8
    rows = wide[:, :2, :width]
    expected = np.zeros((2, width))
    for row in rows:
        expected = expected + row
    assert sum_in_order(rows).tolist() == expected.tolist()
    market = random.integers(0, width, count).astype(np.uint16)
    sums = [0.0] * width
    for code, value in zip(market.tolist(), wide[:, 0, 0].tolist(), strict=True):
        sums[code] += value
    assert sum_by_market(market, wide[:, 0, 0], width).tolist() == sums


MOMENTS = st.integers(-5, 25)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_seen_time_of_trades_is_that_of_every_moment_asked_by_itself(
    data: st.DataObject,
) -> None:
    """A second of twenty nanoseconds; of several reasons the one that began last counts."""
    rows = []
    for _ in range(data.draw(st.integers(0, 5))):
        start = data.draw(MOMENTS)
        who = data.draw(st.sampled_from((*MARKETS, "*")))
        end = start + data.draw(st.integers(0, 20))
        rows.append(Unseen(who, start, end, data.draw(st.sampled_from(REASONS))))
    since = [data.draw(MOMENTS) for _ in MARKETS]
    within = [row for row in rows if row.start < 20 and (row.end > 0 or row.start >= 0)]
    found = seen_time(0, 20, MARKETS, np.array(since), within)
    for code, market in enumerate(MARKETS):
        mine = [row for row in rows if row.market in (market, "*")]
        seen = [
            t
            for t in range(20)
            if t >= since[code] and not any(row.start <= t < row.end for row in mine)
        ]
        assert found.seen_ns[code] == len(seen)
        last = [(r.start, n, r.reason) for n, r in enumerate(mine) if r.start <= 19 < r.end]
        assert found.unseen_at_end.get(code) == (max(last)[2] if last else None)


def quotes(*rows: tuple[int, float, float]) -> Quotes:
    """Return quotes of one market: nanoseconds from the start, bid, ask."""
    ones = np.ones(len(rows))
    return Quotes(
        np.zeros(len(rows), np.uint16),
        np.array([START + time for time, _, _ in rows], np.int64),
        np.array([bid for _, bid, _ in rows], np.float64),
        np.array([ask for _, _, ask in rows], np.float64),
        ones,
        ones,
    )


def trades(*rows: tuple[int, float, int]) -> Trades:
    """Return trades of one market: nanoseconds from the start, price, side."""
    return Trades(
        np.zeros(len(rows), np.uint16),
        np.array([START + time for time, _, _ in rows], np.int64),
        np.array([price for _, price, _ in rows], np.float64),
        np.array([side for _, _, side in rows], np.int8),
    )


def test_a_trade_meets_the_mid_strictly_before_it_and_the_one_at_its_horizon() -> None:
    """By hand: bought at 101 where 100 was in force, though 200 came in the same nanosecond."""
    names = MARKETS[:1]
    first = quotes_in_force(
        START,
        START + SECOND,
        names,
        quotes((0, 99.0, 101.0), (50, 199.0, 201.0)),
        [],
        CarriedQuotes.none(),
    )
    paid = with_mids(trades((0, 7.0, 1), (50, 101.0, 1), (51, 200.0, -1)), first)
    # Before the first there was no quote.
    assert paid.mid.tolist() == [100.0, 200.0]
    assert effective(paid, 1)["effective_sum"].tolist() == [200.0]
    assert effective(paid, 1)["effective_n"].tolist() == [2.0]
    begin = START + 5 * SECOND
    sixth = quotes_in_force(
        begin,
        begin + SECOND,
        names,
        quotes((5 * SECOND + 50, 101.0, 103.0), (5 * SECOND + 51, 103.0, 101.0)),
        [],
        first.after,
    )
    later = realised(paid, 5, sixth)
    # At its horizon the first meets 102, the second a crossed quote.
    assert later["realised_5s_n"].tolist() == [1.0]
    assert later["realised_5s_sum"].tolist() == [pytest.approx(2e4 * (101 - 102) / 100)]
    assert later["impact_5s_sum"].tolist() == [pytest.approx(2e4 * (102 - 100) / 100)]


def test_effective_is_realised_and_impact() -> None:
    """Whatever the price and whichever the side."""
    names = MARKETS[:1]
    second = quotes_in_force(
        START, START + SECOND, names, quotes((0, 99.5, 100.0)), [], CarriedQuotes.none()
    )
    for side in (1, -1):
        paid = with_mids(trades((10, 99.2, side), (20, 100.3, side)), second)
        later = quotes_in_force(
            START + SECOND,
            START + 2 * SECOND,
            names,
            quotes((SECOND, 101.0, 101.4)),
            [],
            second.after,
        )
        parts = realised(paid, 1, later)
        whole = parts["realised_1s_sum"][0] + parts["impact_1s_sum"][0]
        assert whole == pytest.approx(effective(paid, 1)["effective_sum"][0])


def test_a_second_without_trades_has_neutral_columns() -> None:
    nothing = trades()
    found = trade_range(nothing, 2)
    assert {name: column.tolist() for name, column in found.items()} == {
        "trades_n": [0.0, 0.0],
        "trade_low": [math.inf, math.inf],
        "trade_high": [-math.inf, -math.inf],
    }
