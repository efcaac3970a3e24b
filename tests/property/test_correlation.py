"""Laws of the correlation matrices that hold for any rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.statistics.correlation import Matrices, Rows, ewma, interval, pearson, repair, spearman
from tests.unit.correlation.made import Floats, correlated, exact_pearson, rows_of

METHODS = (pearson, spearman, ewma)
Method = Callable[[Rows], Matrices]


@st.composite
def windows(draw: st.DrawFn) -> Floats:
    """Windows of returns with holes by cell, by stretch and by row, quiet stretches and ties."""
    seed, rows = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 90))
    random = np.random.default_rng(seed)
    returns = correlated(seed, rows, 5, draw(st.sampled_from([0.0, 0.05, 0.5])))
    if draw(st.booleans()):
        returns[random.random(rows) < 0.1] = np.nan
    if draw(st.booleans()):
        begin = int(random.integers(rows))
        returns[begin:, 1] = draw(st.sampled_from([np.nan, 0.0, 3e-5]))
    if draw(st.booleans()):
        returns = np.round(returns, 4)
    return returns


@settings(deadline=None)
@given(windows(), st.sampled_from([0.0, 1e-3, -1.0, 1e3]), st.integers(0, 1))
def test_offsets_of_a_thousand_deviations_cost_no_digit(
    returns: Floats, offset: float, coin: int
) -> None:
    """The deviation of the returns is 1.4e-4, so that a mean of 1 is 7,000 of them.

    A mean of 1,000 leaves 9 digits of the returns themselves: those are what is compared.
    """
    returns = returns.copy()
    returns[:, coin::2] += offset
    found = pearson(rows_of(returns))
    for i in range(5):
        for j in range(i):
            together = ~np.isnan(returns[:, [i, j]]).any(axis=1)
            if together.sum() < 30:
                assert np.isnan(found.matrix[i, j])
                continue
            expected = exact_pearson(returns[together, i], returns[together, j])
            assert found.matrix[i, j] == pytest.approx(expected, abs=1e-9, nan_ok=True)
            assert found.matrix[i, j] == found.matrix[j, i] or np.isnan(expected)


@settings(deadline=None)
@given(windows(), st.sampled_from(METHODS))
def test_a_cell_says_what_it_rests_on_and_why_it_is_null(returns: Floats, method: Method) -> None:
    rows = rows_of(returns)
    found = method(rows)
    defined = found.why == 0
    np.testing.assert_array_equal(np.isnan(found.matrix), ~defined)
    np.testing.assert_array_equal(np.isnan(found.sigma), ~defined.diagonal())
    assert (found.n_effective[defined] >= 30).all()
    assert (np.abs(found.matrix[defined]) <= 1).all()
    assert (found.matrix.diagonal()[defined.diagonal()] == 1.0).all()
    present = pd.DataFrame(returns).notna().to_numpy().astype(int)
    np.testing.assert_array_equal(found.n, present.T @ present)
    for part in (found.matrix, found.n, found.n_effective, found.why):
        np.testing.assert_array_equal(part, part.T)


@settings(deadline=None)
@given(windows(), st.sampled_from(METHODS), st.permutations(range(5)))
def test_coins_in_another_order_have_the_same_figures(
    returns: Floats, method: Method, permutation: list[int]
) -> None:
    found, other = method(rows_of(returns)), method(rows_of(returns[:, permutation]))
    mixed = np.ix_(permutation, permutation)
    np.testing.assert_allclose(other.matrix, found.matrix[mixed], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(other.why, found.why[mixed])


@settings(deadline=None)
@given(windows(), st.sampled_from(METHODS))
def test_the_same_rows_give_the_same_bytes_wherever_they_lay(
    returns: Floats, method: Method
) -> None:
    """In a column-wise array, and in the middle of a ring that held other rows before."""
    count = len(returns)
    ring = np.full((3 * count, 9), 7.0)
    ring[count : 2 * count, 2:7] = returns
    first = method(rows_of(returns))
    for other in (np.asfortranarray(returns), ring[count : 2 * count, 2:7]):
        again = method(rows_of(other))
        for name in ("matrix", "n", "n_rest", "n_effective", "why", "sigma"):
            assert getattr(again, name).tobytes() == getattr(first, name).tobytes()


@settings(deadline=None)
@given(windows(), st.floats(-4, 4))
def test_a_coin_in_another_unit_has_the_same_correlations(returns: Floats, power: float) -> None:
    scaled = returns.copy()
    scaled[:, 2] *= -(10.0**power)
    found, other = pearson(rows_of(returns)), pearson(rows_of(scaled))
    sign = np.where(np.arange(5) == 2, -1.0, 1.0)
    np.testing.assert_allclose(other.matrix, found.matrix * np.outer(sign, sign), rtol=0, atol=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_a_repaired_matrix_is_a_correlation_matrix(seed: int, coins: int) -> None:
    random = np.random.default_rng(seed)
    matrix = np.clip(random.uniform(-1.5, 1.5, (coins, coins)), -1, 1)
    matrix = np.triu(matrix, 1) + np.triu(matrix, 1).T + np.eye(coins)
    least = float(np.linalg.eigvalsh(matrix)[0])
    assume(abs(least) > 1e-9)
    repaired, changed = repair(matrix)
    assert changed == (least < 0)
    assert np.linalg.eigvalsh(repaired)[0] > -1e-12
    assert (repaired.diagonal() == 1).all()
    np.testing.assert_array_equal(repaired, repaired.T)
    assert repair(repaired)[1] is False


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(30, 1e6))
def test_an_interval_holds_its_correlation(r: float, n_effective: float) -> None:
    low, high = interval(np.array([[r]]), np.array([[n_effective]]))
    assert -1 <= low[0, 0] <= r + 1e-12
    assert r - 1e-12 <= high[0, 0] <= 1
