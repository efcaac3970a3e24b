"""Every method against pandas, scipy and plain loops, with random holes, at every prefix."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from models.records.correlations import WHY
from models.statistics.correlation import (
    LEAST_EFFECTIVE_N,
    Matrices,
    Rows,
    ewma,
    hayashi_yoshida,
    pair_history,
    pearson,
    spearman,
)
from tests.unit.correlation.made import (
    Floats,
    correlated,
    exact_pearson,
    looped_ewma,
    looped_hayashi_yoshida,
    rows_of,
    seconds_of,
)

TOLERANCE = 1e-9
THIN = WHY.index("thin")


def prefix(returns: Floats, end: int) -> Rows:
    return rows_of(returns[:end], window_s=60.0 * len(returns))


def assert_same(found: Matrices, frame: pd.DataFrame, method: str) -> None:
    """Compare with pandas, cells of fewer than 30 rows null."""
    expected = frame.corr(method=method, min_periods=30).to_numpy()  # type: ignore[arg-type]
    np.testing.assert_allclose(found.matrix, expected, rtol=0, atol=TOLERANCE)
    present = frame.notna().to_numpy().astype(int)
    np.testing.assert_array_equal(found.n, present.T @ present)
    np.testing.assert_array_equal(found.why == THIN, found.n < LEAST_EFFECTIVE_N)


@pytest.mark.parametrize("holes", [0.0, 0.02, 0.4])
def test_pearson_is_that_of_pandas_at_every_prefix(holes: float) -> None:
    returns = correlated(1, 150, 7, holes)
    for end in range(len(returns) + 1):
        assert_same(pearson(prefix(returns, end)), pd.DataFrame(returns[:end]), "pearson")


@pytest.mark.parametrize("holes", [0.0, 0.02, 0.4])
def test_spearman_is_that_of_pandas_and_scipy_at_every_prefix_with_ties(holes: float) -> None:
    """Returns are rounded so that most of them are tied."""
    returns = np.round(correlated(2, 110, 5, holes), 4)
    for end in range(len(returns) + 1):
        found = spearman(prefix(returns, end))
        assert_same(found, pd.DataFrame(returns[:end]), "spearman")
    a, b = returns[:, 1], returns[:, 3]
    together = ~np.isnan(a) & ~np.isnan(b)
    expected = stats.spearmanr(a[together], b[together]).statistic
    assert found.matrix[1, 3] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("holes", [0.0, 0.02, 0.4])
def test_ewma_is_that_of_a_loop_at_every_prefix(holes: float) -> None:
    returns = correlated(3, 130, 4, holes)
    for end in range(1, len(returns) + 1):
        rows = prefix(returns, end)
        found = ewma(rows)
        weights = [2.0 ** (-4.0 * age / rows.window_s) for age in rows.age_s]
        for i in range(4):
            for j in range(4):
                if not (~np.isnan(returns[:end, [i, j]]).any(axis=1)).any():
                    continue
                r, effective = looped_ewma(returns[:end, i], returns[:end, j], weights)
                assert found.n_effective[i, j] == pytest.approx(effective, rel=1e-12)
                if found.why[i, j] == 0:
                    assert found.matrix[i, j] == pytest.approx(r, abs=TOLERANCE)
                assert (found.why[i, j] == THIN) == (found.n_effective[i, j] < 30)


def made_prices(seed: int, seconds: int, coins: int, holes: float) -> Floats:
    """Return log prices that move in some seconds only, are seldom seen to, and go missing."""
    random = np.random.default_rng(seed)
    moves = random.standard_normal((seconds, coins)) + random.standard_normal((seconds, 1))
    moves *= random.random((seconds, coins)) < random.uniform(0.1, 0.9, coins)
    prices = np.round(10.0 + np.cumsum(moves, axis=0) * 1e-3, 4)
    prices[random.random(prices.shape) < holes] = np.nan
    return prices


@pytest.mark.parametrize("holes", [0.0, 0.01, 0.1])
def test_hayashi_yoshida_is_the_double_loop_at_every_prefix(holes: float) -> None:
    prices = made_prices(4, 160, 4, holes)
    for end in range(1, len(prices) + 1, 3):
        found = hayashi_yoshida(seconds_of(prices[:end]))
        for i in range(4):
            for j in range(4):
                r, n = looped_hayashi_yoshida(prices[:end, i], prices[:end, j])
                assert (found.n[i, j], found.n_effective[i, j]) == (n, n)
                if n < LEAST_EFFECTIVE_N:
                    assert np.isnan(found.matrix[i, j])
                    assert found.why[i, j] == THIN
                else:
                    wanted = min(1.0, max(-1.0, r))
                    assert found.matrix[i, j] == pytest.approx(wanted, abs=TOLERANCE)


def test_hayashi_yoshida_finds_the_correlation_that_epps_hides() -> None:
    """Of prices seen at random seconds, returns of one second show far less than the truth."""
    random = np.random.default_rng(5)
    moves = random.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], 40_000) * 1e-4
    seen = np.where(random.random(moves.shape) < 0.3, np.cumsum(moves, axis=0), np.nan)
    seen[0] = 0.0
    prices = pd.DataFrame(seen).ffill().to_numpy()
    found = hayashi_yoshida(seconds_of(prices)).matrix[0, 1]
    assert found == pytest.approx(0.8, abs=0.03)
    assert pearson(rows_of(np.diff(prices, axis=0))).matrix[0, 1] < 0.5


def test_ten_thousand_steps_with_holes_stay_equal_to_pandas() -> None:
    """The window of 60 rows goes on by a row a step, over coins with and without holes."""
    returns = correlated(6, 10_060, 5)
    random = np.random.default_rng(7)
    returns[:, 1:3][random.random((10_060, 2)) < 0.1] = np.nan
    returns[2_000:4_000, 3] = np.nan
    returns[6_000:6_100, 4] = 0.0
    frame = pd.DataFrame(returns)
    for step in range(10_000):
        found = pearson(rows_of(returns[step : step + 60]))
        expected = frame.iloc[step : step + 60].corr(min_periods=30).to_numpy()
        np.testing.assert_array_equal(np.isnan(found.matrix), np.isnan(expected))
        difference = np.abs(found.matrix - expected)
        assert not (difference > TOLERANCE).any()


def test_pair_history_is_pearson_of_every_window() -> None:
    returns = correlated(8, 400, 2, 0.1)
    returns[200:270, 0] = 2.0e-4
    weight = np.where(np.arange(400) < 150, 1.0, 0.7)
    history = pair_history(returns[:, 0], returns[:, 1], weight, 60)
    for end in range(1, 401):
        part = slice(max(0, end - 60), end)
        found = pearson(rows_of(returns[part], weight=weight[part]))
        at = end - 1
        assert history.n[at] == found.n[0, 1]
        assert history.n_effective[at] == pytest.approx(found.n_effective[0, 1])
        assert history.why[at] == found.why[0, 1]
        assert history.correlation[at] == pytest.approx(
            found.matrix[0, 1], abs=TOLERANCE, nan_ok=True
        )
    assert WHY.index("quiet") in history.why
    assert THIN in history.why


def test_a_pair_history_longer_than_one_chunk_is_the_same() -> None:
    returns = correlated(9, 4_000, 2)
    history = pair_history(returns[:, 0], returns[:, 1], np.ones(4_000), 1_440)
    rolled = pd.Series(returns[:, 0]).rolling(1_440, 30).corr(pd.Series(returns[:, 1]))
    np.testing.assert_allclose(history.correlation, rolled.to_numpy(), rtol=0, atol=TOLERANCE)


def test_a_far_value_outside_the_rows_of_a_pair_costs_it_no_digit() -> None:
    """The far value of coin 0 is in a row in which coin 1 has none, and a level has shifted."""
    returns = correlated(10, 200, 3)
    returns[7, 0], returns[7, 1] = 1e6, np.nan
    returns[100:, 2] += 1e3
    returns[:100, 1] = np.nan
    found = pearson(rows_of(returns)).matrix
    for i, j in ((0, 1), (1, 2)):
        together = ~np.isnan(returns[:, [i, j]]).any(axis=1)
        expected = exact_pearson(returns[together, i], returns[together, j])
        assert found[i, j] == pytest.approx(expected, abs=TOLERANCE)


def test_blocks_of_the_matrix_are_seen_nowhere_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 3 of 8 coins, of which one is quiet and one has a far value beside a hole."""
    returns = correlated(11, 200, 8, 0.05)
    returns[:100, 5], returns[100:, 2] = 0.1, np.nan
    returns[7, 0], returns[7, 4] = 1e6, np.nan
    whole = pearson(rows_of(returns))
    # The package has the function by this name.
    monkeypatch.setattr(import_module("models.statistics.correlation.pearson"), "_BLOCK", 3)
    found = pearson(rows_of(returns))
    np.testing.assert_allclose(found.matrix, whole.matrix, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.why, whole.why)
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    assert WHY.index("quiet") in found.why[5]
    for i, j in ((0, 4), (0, 7), (5, 6)):
        together = ~np.isnan(returns[:, [i, j]]).any(axis=1)
        expected = exact_pearson(returns[together, i], returns[together, j])
        assert found.matrix[i, j] == pytest.approx(expected, abs=TOLERANCE)
