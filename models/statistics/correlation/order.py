"""The order in which coins are shown, so that those that move together stand together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.statistics.correlation.repair import complete
from models.statistics.correlation.rows import Floats

Leaves = NDArray[np.intp]


def order(matrix: Floats, coins: Sequence[str]) -> Leaves:
    """Return a permutation of the N coins: average linkage on √((1 − r)/2), optimal leaf order.

    Coins left out of the part in which every cell is defined come last, by name.
    """
    kept = complete(matrix)
    others = sorted(set(range(len(coins))) - set(kept.tolist()), key=lambda coin: coins[coin])
    if len(kept) > 2:
        distances = np.sqrt((1.0 - matrix[np.ix_(kept, kept)]) / 2.0)
        kept = kept[_optimal_leaves(distances)]
    return np.concatenate([kept, np.array(others, dtype=np.intp)])


class _Cluster:
    """Leaves, and the two clusters they are joined of; one leaf is joined of none."""

    def __init__(self, leaves: Leaves, halves: tuple[_Cluster, _Cluster] | None = None) -> None:
        self.leaves = leaves
        self.halves = halves

    def ends(self) -> tuple[tuple[Leaves, Leaves], ...]:
        """Return which leaves can stand at one end, and which at the other one then."""
        if self.halves is None:
            return ((self.leaves, self.leaves),)
        left, right = (half.leaves for half in self.halves)
        return (left, right), (right, left)

    def opposite(self, leaf: int) -> Leaves:
        """Return the leaves that can stand at the other end from one."""
        return next(others for own, others in self.ends() if leaf in own)


def _optimal_leaves(distances: Floats) -> Leaves:
    """Return the order with the least sum of distances (N, N) between neighbours.

    Of all that the tree of average linkage allows: the dynamic programme of Z. Bar-Joseph et al.,
    Fast optimal leaf ordering for hierarchical clustering, Bioinformatics 17, 2001, in O(N³).
    scipy's `optimal_leaf_ordering` misses the least sum (its issue 11227).
    """
    # Slow to import and large; processes that only compute matrices go without.
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    clusters = [_Cluster(np.array([leaf])) for leaf in range(len(distances))]
    # Of two leaves: the least sum of the smallest cluster that has both, with them at its ends.
    sums, reached = np.zeros_like(distances), np.zeros_like(distances)
    merges = linkage(squareform(distances, checks=False), "average")[:, :2].astype(np.intp)
    for i, j in merges.tolist():
        left, right = clusters[i], clusters[j]
        for own, others in left.ends():
            steps = distances[np.ix_(others, right.leaves)]
            reached[np.ix_(own, right.leaves)] = _least_sums(sums[np.ix_(own, others)], steps)
        for own, others in right.ends():
            found = _least_sums(reached[np.ix_(left.leaves, others)], sums[np.ix_(others, own)])
            sums[np.ix_(left.leaves, own)] = found
            sums[np.ix_(own, left.leaves)] = found.T
        leaves = np.concatenate([left.leaves, right.leaves])
        clusters.append(_Cluster(leaves, (left, right)))
    return _path(clusters[-1], sums, distances)


def _least_sums(first: Floats, second: Floats) -> Floats:
    """Return min over b of `first[a, b] + second[b, c]`, shape (A, C)."""
    found = np.empty((len(first), second.shape[1]))
    columns = np.ascontiguousarray(second.T)
    if len(columns) <= len(first):
        for c, column in enumerate(columns):
            found[:, c] = (first + column).min(axis=1)
    else:
        for a, row in enumerate(first):
            found[a] = (columns + row).min(axis=1)
    return found


def _path(root: _Cluster, sums: Floats, distances: Floats) -> Leaves:
    """Return the leaves along the least sum, found again from its ends."""
    assert root.halves is not None, "there are three leaves"
    left, right = (half.leaves for half in root.halves)
    best = np.unravel_index(np.argmin(sums[np.ix_(left, right)]), (len(left), len(right)))
    path: list[int] = []
    # A list instead of recursion: the tree may be as deep as there are coins.
    open_parts = [(root, int(left[best[0]]), int(right[best[1]]))]
    while open_parts:
        cluster, first, last = open_parts.pop()
        if cluster.halves is None:
            path.append(first)
            continue
        near, far = cluster.halves
        if first not in near.leaves:
            near, far = far, near
        ends, begins = near.opposite(first), far.opposite(last)
        total = distances[np.ix_(ends, begins)] + sums[first, ends][:, None] + sums[begins, last]
        end, begin = np.unravel_index(np.argmin(total), total.shape)
        open_parts.append((far, int(begins[begin]), last))
        open_parts.append((near, first, int(ends[end])))
    return np.array(path, dtype=np.intp)
