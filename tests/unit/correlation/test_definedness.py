"""Which cells are undefined and why, and the figures beside the correlation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.errors import InvariantError
from models.records.correlations import WHY
from models.statistics.correlation import (
    Rows,
    Seconds,
    ewma,
    hayashi_yoshida,
    pearson,
    row_weight,
    spearman,
)
from tests.unit.correlation.made import correlated, rows_of, seconds_of

YEAR_MINUTES = 365 * 24 * 60


def reasons(why: np.ndarray) -> list[list[str | None]]:
    return [[WHY[index] for index in row] for row in why.tolist()]


def test_a_row_counts_by_how_far_returns_overlap() -> None:
    """K = 6: 18/73; k = 5: 15/51; of candles a minute apart, a return of a minute is one."""
    assert row_weight(60, 10) == pytest.approx(18 / 73)
    assert row_weight(300, 60) == pytest.approx(15 / 51)
    assert row_weight(10, 10) == row_weight(60, 60) == row_weight(10, 60) == 1.0


def test_the_weight_is_the_efficiency_of_overlapping_returns() -> None:
    """Var of r over returns k apart, divided by that over every return, for k = 6 of white noise.

    n rows of overlapping returns are then worth n · 3k/(2k² + 1); 4,000 windows leave 2 %.
    """
    random = np.random.default_rng(3)
    moves = random.standard_normal((4_000, 2, 600))
    sums = np.cumsum(moves, axis=2)
    returns = sums[:, :, 6:] - sums[:, :, :-6]
    returns = returns - returns.mean(axis=2, keepdims=True)
    products = np.einsum("wct,wdt->wcd", returns, returns)
    r = products[:, 0, 1] / np.sqrt(products[:, 0, 0] * products[:, 1, 1])
    assert 1 / np.var(r) == pytest.approx(594 * row_weight(60, 10), rel=0.08)


@pytest.mark.parametrize("method", [pearson, spearman, ewma])
def test_below_thirty_a_cell_is_thin_or_warming(method: object) -> None:
    """Coins: whole; 29 returns; 29 returns and new; new but with 40."""
    returns = correlated(1, 60, 4)
    returns[:31, 1] = np.nan
    returns[:31, 2] = np.nan
    returns[:20, 3] = np.nan
    warming = np.array([False, False, True, True])
    # So old that the weights of ewma are all the same.
    rows = rows_of(returns, warming=warming, age_s=np.full(60, 60.0))
    found = method(rows)  # type: ignore[operator]
    assert reasons(found.why) == [
        [None, "thin", "warming", None],
        ["thin", "thin", "warming", "warming"],
        ["warming", "warming", "warming", "warming"],
        [None, "warming", "warming", None],
    ]
    assert found.n[[0, 3]].tolist() == [[60, 29, 29, 40], [40, 29, 29, 40]]
    assert np.isfinite(found.sigma).tolist() == [True, False, False, True]


def test_thirty_rows_are_enough_and_twenty_nine_are_not() -> None:
    returns = correlated(1, 30, 2)
    assert pearson(rows_of(returns)).why.tolist() == [[0, 0], [0, 0]]
    assert reasons(pearson(rows_of(returns[1:])).why) == [["thin", "thin"], ["thin", "thin"]]


@pytest.mark.parametrize("level", [0.0, 1e-3, 0.1, -1 / 3, 1e5])
@pytest.mark.parametrize("holes", [False, True])
def test_a_coin_that_did_not_move_is_quiet_at_any_level(level: float, holes: bool) -> None:
    """0.1 has no exact sum: the mean of equal values need not be the value."""
    returns = correlated(1, 77, 3)
    returns[:, 1] = level
    if holes:
        returns[5, :] = returns[9, 1] = np.nan
    for method in (pearson, spearman):
        assert reasons(method(rows_of(returns)).why) == [
            [None, "quiet", None],
            ["quiet", "quiet", "quiet"],
            [None, "quiet", None],
        ]


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_a_coin_that_moved_only_without_the_other_is_quiet_with_it(level: float) -> None:
    """Coin 0 stands at one level in all rows that coin 1 has; most of its other values vary."""
    returns = correlated(1, 140, 2)
    returns[:40, 0] = level
    returns[40:, 1] = np.nan
    for method in (pearson, spearman):
        assert reasons(method(rows_of(returns)).why) == [[None, "quiet"], ["quiet", None]]


def test_about_zero_a_steady_return_is_a_move() -> None:
    """Ewma subtracts no mean: returns that are all 1 bp are no rest, returns of 0 are."""
    returns = correlated(1, 60, 3)
    returns[:, 1], returns[:, 2] = 1e-4, 0.0
    found = ewma(rows_of(returns, age_s=np.zeros(60)))
    assert reasons(found.why)[0] == [None, None, "quiet"]
    assert found.sigma[1] == pytest.approx(1e-4 * math.sqrt(YEAR_MINUTES))


def test_rows_of_candles_are_counted_and_weigh_as_separate_rows() -> None:
    returns = correlated(1, 100, 2)
    returns[:10, 1] = np.nan
    is_rest = np.arange(100) < 40
    weight = np.where(is_rest, 1.0, row_weight(60, 10))
    found = pearson(rows_of(returns, is_rest=is_rest, weight=weight))
    assert found.n.tolist() == [[100, 90], [90, 90]]
    assert found.n_rest.tolist() == [[40, 30], [30, 30]]
    live = 60 * 18 / 73
    wanted = [[40 + live, 30 + live], [30 + live, 30 + live]]
    np.testing.assert_allclose(found.n_effective, wanted)


def test_sigma_is_the_deviation_a_year_over_the_coins_own_rows() -> None:
    returns = correlated(1, 200, 2)
    returns[:50, 1] = np.nan
    for method in (pearson, spearman):
        found = method(rows_of(returns)).sigma
        assert found == pytest.approx(np.nanstd(returns, axis=0) * math.sqrt(YEAR_MINUTES))
    weights = 2.0 ** (-4.0 * np.arange(200)[::-1] / 200)[:, None] * ~np.isnan(returns)
    squares = np.nansum(weights * returns**2, axis=0) / weights.sum(axis=0)
    assert ewma(rows_of(returns)).sigma == pytest.approx(np.sqrt(squares * YEAR_MINUTES))


def test_sigma_of_hayashi_yoshida_is_of_the_squared_increments_of_the_window() -> None:
    random = np.random.default_rng(2)
    prices = np.cumsum(random.standard_normal((900, 1)) * 1e-4, axis=0)
    found = hayashi_yoshida(seconds_of(prices)).sigma
    squares = (np.diff(prices[:, 0]) ** 2).sum()
    assert found == pytest.approx([math.sqrt(squares * 365 * 86_400 / 900)])


def test_a_price_that_comes_out_one_bit_differently_is_no_observation() -> None:
    """Of the same mid, made of another bid and ask, rounding may leave another last bit."""
    random = np.random.default_rng(5)
    prices = np.repeat(np.cumsum(random.standard_normal((100, 2)) * 1e-4, axis=0), 3, axis=0)
    rounded = prices.copy()
    rounded[1::3] = np.nextafter(prices[1::3], np.inf)
    told = hayashi_yoshida(seconds_of(prices))
    found = hayashi_yoshida(seconds_of(rounded))
    assert found.n.tolist() == told.n.tolist() == [[99, 99], [99, 99]]
    assert found.matrix == pytest.approx(told.matrix, abs=1e-9)


def test_an_estimate_outside_one_is_cut_and_counted() -> None:
    """Both rise by 1 every other second, in turn: each increment overlaps two of the other one."""
    seconds = np.arange(120)
    prices = np.column_stack([seconds // 2, (seconds + 1) // 2, -(seconds // 2)])
    found = hayashi_yoshida(seconds_of(prices))
    assert found.matrix.tolist() == [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
    # The first one against the third is −1 without a cut.
    assert found.cut == 2


def test_no_rows_and_no_coins_are_no_error() -> None:
    for method in (pearson, spearman, ewma):
        assert reasons(method(rows_of(np.empty((0, 2)))).why) == [["thin"] * 2] * 2
        assert method(rows_of(np.empty((40, 0)))).matrix.shape == (0, 0)
        assert reasons(method(rows_of(np.full((40, 1), np.nan))).why) == [["thin"]]
    assert reasons(hayashi_yoshida(seconds_of(np.empty((0, 2)))).why) == [["thin"] * 2] * 2
    assert hayashi_yoshida(seconds_of(np.empty((9, 0)))).matrix.shape == (0, 0)


def test_what_cannot_be_rows_is_a_broken_invariant() -> None:
    with pytest.raises(InvariantError, match="infinite"):
        rows_of([[1.0], [math.inf]])
    with pytest.raises(InvariantError, match="3 rows of 1 coins"):
        Rows(np.zeros((3, 1)), np.ones(2), np.zeros(3, bool), np.zeros(1, bool), np.ones(3), 60, 60)
    with pytest.raises(InvariantError, match="2 coins"):
        Seconds(np.zeros((3, 2)), np.zeros(1, bool))
    with pytest.raises(InvariantError, match="infinite"):
        seconds_of([[-math.inf]])
