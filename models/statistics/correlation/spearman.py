"""Spearman's rank correlation of every pair, over the rows in which both have a return."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.correlation.counts import pair_counts
from models.statistics.correlation.matrices import Matrices, assemble
from models.statistics.correlation.pearson import deviations
from models.statistics.correlation.rows import YEAR_S, Booleans, Floats, Rows

_BLOCK_CELLS = 4_000_000


class _Sorted(msgspec.Struct, frozen=True):
    """A coin's rows by rising return; of each the first and one past the last of equal ones."""

    rows: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


def spearman(rows: Rows) -> Matrices:
    """Return Pearson's correlations of the ranks within each pair's own rows.

    Equal returns share the mean of their ranks. Ranks of a coin among the rows of another are
    counted along the coin's sorted rows. Their sums are whole numbers and halves, so exact.
    """
    present = ~np.isnan(rows.returns)
    counts = pair_counts(rows, present)
    ordered = [_sorted(rows.returns[:, coin]) for coin in range(present.shape[1])]
    sigma = deviations(rows.returns, present) * np.sqrt(YEAR_S / rows.sampling_s)
    if present.all():
        ranks = np.empty(present.shape)
        for coin, each in enumerate(ordered):
            ranks[:, coin] = _ranks(each, present[:, :1])[:, 0]
        covariance = ranks.T @ ranks
        variance = np.broadcast_to(covariance.diagonal()[:, None], covariance.shape)
    else:
        covariance, variance = _by_blocks(ordered, present)
    quiet = variance == 0.0
    quiet |= quiet.T
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance / (np.sqrt(variance) * np.sqrt(variance.T))
    return assemble(correlation, quiet if quiet.any() else None, counts, rows.warming, sigma)


def _by_blocks(ordered: list[_Sorted], present: Booleans) -> tuple[Floats, Floats]:
    """Return the covariances, and the variance of each coin (row) in the rows of each (column).

    Both without division by n, shape (N, N).
    """
    seconds, coins = present.shape
    width = max(1, int((_BLOCK_CELLS / max(1, seconds)) ** 0.5))
    covariance, variance = np.zeros((coins, coins)), np.zeros((coins, coins))
    blocks = [slice(begin, min(begin + width, coins)) for begin in range(0, coins, width)]
    for number, left in enumerate(blocks):
        for right in blocks[number:]:
            ours = np.array([_ranks(each, present[:, right]) for each in ordered[left]])
            theirs = np.array([_ranks(each, present[:, left]) for each in ordered[right]])
            found = np.einsum("itj,jti->ij", ours, theirs)
            covariance[left, right], covariance[right, left] = found, found.T
            variance[left, right] = np.einsum("itj,itj->ij", ours, ours)
            variance[right, left] = np.einsum("jti,jti->ji", theirs, theirs)
    return covariance, variance


def _sorted(values: Floats) -> _Sorted:
    rows = np.argsort(values, kind="stable")[: int((~np.isnan(values)).sum())]
    by_value = values[rows]
    return _Sorted(
        rows,
        np.searchsorted(by_value, by_value, side="left"),
        np.searchsorted(by_value, by_value, side="right"),
    )


def _ranks(own: _Sorted, others: Booleans) -> Floats:
    """Return ranks less their mean in the rows that a coin has together with each of J others.

    `others` has shape (T, J), as has what is returned; 0 in all other rows.
    """
    together = others[own.rows]
    before = np.zeros((len(together) + 1, others.shape[1]), np.int32)
    np.cumsum(together, axis=0, out=before[1:])
    # Twice the mean rank of equal ones is the first plus the last; twice the mean of all is n + 1.
    ranks = np.zeros(others.shape)
    ranks[own.rows] = np.where(together, before[own.first] + before[own.last] - before[-1], 0) / 2.0
    return ranks
