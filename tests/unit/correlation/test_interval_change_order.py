"""Intervals, changes, repair and the order of display against figures worked out on paper."""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats

from models.statistics.correlation import (
    average,
    change,
    distance,
    interval,
    order,
    pearson,
    repair,
)
from models.statistics.correlation.repair import complete
from tests.unit.correlation.made import correlated, rows_of

NAN = math.nan
Tree = Any


def test_an_interval_is_that_of_scipy() -> None:
    """Whose normal quantile has more digits than 1.96."""
    returns = correlated(1, 80, 2)
    r = pearson(rows_of(returns)).matrix
    low, high = interval(r, np.full((2, 2), 80.0))
    expected = stats.pearsonr(returns[:, 0], returns[:, 1]).confidence_interval(0.95)
    assert (low[0, 1], high[0, 1]) == pytest.approx(tuple(expected), abs=1e-4)
    assert (low[0, 0], high[0, 0]) == (1, 1)


def test_an_interval_of_a_null_cell_or_of_three_rows_is_null() -> None:
    for ends in interval(np.array([NAN, 0.5, 0.5, 0.5]), np.array([99.0, 3.0, 2.0, 0.0])):
        assert np.isnan(ends).all()


def test_a_change_is_the_difference_of_fishers_z_in_its_deviations() -> None:
    found = change(np.array([0.8]), np.array([63.0]), np.array([0.5]), np.array([303.0]))
    wanted = (math.atanh(0.8) - math.atanh(0.5)) / math.sqrt(1 / 60 + 1 / 300)
    assert found == pytest.approx([wanted])
    assert found[0] > 1.96


def test_a_change_is_finite_at_one_and_null_where_either_is() -> None:
    r, longer = np.array([1.0, 1.0, NAN, 0.5]), np.array([1.0, 0.5, 0.5, NAN])
    found = change(r, np.full(4, 50.0), longer, np.full(4, 500.0))
    assert found[0] == 0
    assert np.isfinite(found[1])
    assert np.isnan(found[2:]).all()
    assert np.isnan(change(longer[:1], np.array([3.0]), longer[:1], np.array([500.0]))).all()


def test_the_average_change_is_over_pairs_defined_in_both() -> None:
    z = np.array([[NAN, 1.0, NAN], [1.0, NAN, 4.0], [NAN, 4.0, 0.0]])
    assert average(z) == 2.5
    assert average(np.full((2, 2), NAN)) is None


def test_the_distance_of_an_average_needs_thirty_earlier_ones_that_differ() -> None:
    earlier = [1.0, 3.0] * 15
    assert distance(6.0, earlier) == pytest.approx((6 - 2) / 1)
    assert distance(6.0, earlier[1:]) is None
    assert distance(6.0, [0.1] * 40) is None


def test_a_repair_cuts_negative_eigenvalues_and_scales_the_diagonal() -> None:
    """Higham's own example: eigenvalues 1 and 1 ± √2, of the last of which 0 is made."""
    matrix = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    root = math.sqrt(2)
    # The part of the eigenvalue 1 + √2, vector (1, √2, 1)/2, and that of 1, (1, 0, −1)/√2.
    cut = (1 + root) / 4 * np.outer([1, root, 1], [1, root, 1]) + np.outer(
        [1, 0, -1], [1, 0, -1]
    ) / 2
    scale = 1 / np.sqrt(cut.diagonal())
    repaired, changed = repair(matrix)
    assert changed
    np.testing.assert_allclose(repaired, cut * np.outer(scale, scale), atol=1e-14)


def test_what_rounding_makes_negative_is_not_repaired() -> None:
    """A hundred coins on 40 rows: 61 eigenvalues are 0 but for rounding."""
    matrix = pearson(rows_of(correlated(1, 40, 100))).matrix
    repaired, changed = repair(matrix)
    assert not changed
    assert repaired is matrix


def test_null_cells_are_left_out_of_a_repair_and_stay() -> None:
    matrix = np.array(
        [
            [1.0, 1.0, 0.0, NAN],
            [1.0, 1.0, 1.0, 0.5],
            [0.0, 1.0, 1.0, 0.5],
            [NAN, 0.5, 0.5, 1.0],
        ]
    )
    assert complete(matrix).tolist() == [0, 1, 2]
    repaired, changed = repair(matrix)
    assert changed
    np.testing.assert_array_equal(repaired[3], matrix[3])
    np.testing.assert_allclose(repaired[:3, :3], repair(matrix[:3, :3])[0], atol=1e-15)


def test_one_coin_without_any_cell_leaves_the_others_whole() -> None:
    matrix = np.eye(4)
    matrix[2] = matrix[:, 2] = NAN
    matrix[0, 3] = matrix[3, 0] = NAN
    assert complete(matrix).tolist() == [0, 1]
    assert repair(np.full((2, 2), NAN))[1] is False


def flips(tree: Tree) -> list[list[int]]:
    """Return every order of the leaves that the tree allows."""
    if isinstance(tree, int):
        return [[tree]]
    left, right = flips(tree[0]), flips(tree[1])
    return [x + y for a in left for b in right for x, y in ((a, b), (b, a))]


def average_linkage(distances: np.ndarray) -> Tree:
    """Return the tree of the plain algorithm: join the two of least mean distance, again."""
    clusters: list[tuple[Tree, list[int]]] = [(i, [i]) for i in range(len(distances))]
    while len(clusters) > 1:
        a, b = min(
            combinations(clusters, 2),
            key=lambda two: float(np.mean(distances[np.ix_(two[0][1], two[1][1])])),
        )
        clusters = [each for each in clusters if each is not a and each is not b]
        clusters.append(((a[0], b[0]), a[1] + b[1]))
    return clusters[0][0]


@pytest.mark.parametrize("coins", [3, 4, 7, 10])
def test_the_order_is_the_shortest_that_the_tree_allows(coins: int) -> None:
    for seed in range(5):
        matrix = pearson(rows_of(correlated(seed, 60, coins))).matrix
        distances = np.sqrt((1 - matrix) / 2)
        found = order(matrix, [str(i) for i in range(coins)]).tolist()
        allowed = flips(average_linkage(distances))
        lengths = [sum(distances[a, b] for a, b in pairwise(path)) for path in allowed]
        assert found in allowed
        assert lengths[allowed.index(found)] == pytest.approx(min(lengths))


def test_a_tree_as_deep_as_there_are_coins_has_an_order() -> None:
    """Each coin is as close to all before as the next one is not: 1,200 joins in one chain."""
    coins = 1_200
    matrix = 1.0 - np.maximum.outer(np.arange(coins), np.arange(coins)) / coins
    np.fill_diagonal(matrix, 1.0)
    found = order(matrix, [str(i) for i in range(coins)]).tolist()
    assert sorted(found) == list(range(coins))


def test_coins_with_a_null_cell_come_last_by_name() -> None:
    matrix = np.full((5, 5), 0.5)
    np.fill_diagonal(matrix, 1.0)
    matrix[1] = matrix[:, 1] = matrix[3] = matrix[:, 3] = NAN
    found = order(matrix, ["A", "ZEC", "B", "ADA", "C"]).tolist()
    assert found[3:] == [3, 1]
    assert sorted(found[:3]) == [0, 2, 4]


def test_one_or_two_coins_have_an_order_too() -> None:
    assert order(np.eye(1), ["A"]).tolist() == [0]
    assert sorted(order(np.eye(2), ["A", "B"]).tolist()) == [0, 1]
    assert order(np.empty((0, 0)), []).tolist() == []
