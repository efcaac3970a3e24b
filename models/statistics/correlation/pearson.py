"""Pearson's correlation of every pair, over the rows in which both have a return."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.correlation.counts import full_counts, pair_counts
from models.statistics.correlation.matrices import LEAST_EFFECTIVE_N, Matrices, assemble
from models.statistics.correlation.rows import YEAR_S, Booleans, Floats, Rows

# Of a sum of squares that is this many times the sum of squared deviations, four digits cancel.
_CANCELLED = 1e-4
_BLOCK = 512

Indices = NDArray[np.intp]


def pearson(rows: Rows) -> Matrices:
    """Return Pearson's correlations; means and variances of a pair are over its own rows.

    Where nothing is missing it is one matrix product. Where something is, it is four, of the
    returns, their squares and the masks; pairs whose variance would lose digits in them, seldom
    any, are computed one by one.
    """
    missing = np.isnan(rows.returns)
    a_year = YEAR_S / rows.sampling_s
    if len(missing) and not missing.any():
        correlation, squares, quiet = _whole(rows.returns)
        sigma = np.sqrt(squares * (a_year / len(missing)))
        return assemble(correlation, quiet, full_counts(rows), rows.warming, sigma)
    present = ~missing
    sigma = deviations(rows.returns, present) * np.sqrt(a_year)
    counts = pair_counts(rows, present)
    enough = counts.n_effective >= LEAST_EFFECTIVE_N
    correlation, quiet = _with_holes(rows.returns, present, counts.n, enough)
    return assemble(correlation, quiet, counts, rows.warming, sigma)


def deviations(values: Floats, present: Booleans) -> Floats:
    """Return the root of the mean squared deviation of every column (T, N), NaN where empty."""
    n = present.sum(axis=0)
    with np.errstate(invalid="ignore"):
        means = np.where(present, values, 0.0).sum(axis=0) / n
        centred = np.where(present, values - means, 0.0)
        found: Floats = np.sqrt(np.einsum("ti,ti->i", centred, centred) / n)
    return found


def _whole(values: Floats) -> tuple[Floats, Floats, Booleans | None]:
    """Return correlations, sums of squared deviations and which cells are quiet.

    `values` (T, N) have no hole.
    """
    centred = values - values.mean(axis=0)
    # Rounding leaves a constant column just beside 0: it is told by its values.
    constant = values.max(axis=0) == values.min(axis=0)
    squares = np.einsum("ti,ti->i", centred, centred)
    norms = np.sqrt(squares)
    norms[constant | (norms == 0.0)] = 1.0
    centred /= norms
    quiet = constant[:, None] | constant[None, :] if constant.any() else None
    return centred.T @ centred, squares, quiet


class _Columns(msgspec.Struct, frozen=True):
    """Columns shifted and scaled, 0 where missing, their squares, and 1 where there is a value."""

    values: Floats
    squares: Floats
    mask: Floats

    def part(self, columns: slice) -> _Columns:
        """Return some of the columns."""
        return _Columns(self.values[:, columns], self.squares[:, columns], self.mask[:, columns])


def _with_holes(
    values: Floats, present: Booleans, n: NDArray[np.uint32], enough: Booleans
) -> tuple[Floats, Booleans | None]:
    """Return correlations, and which cells are quiet; cells that are not `enough` are not exact.

    By blocks of the matrix, whose temporaries stay in the processor's cache.
    """
    coins = values.shape[1]
    shifted = _shifted(values, present)
    columns = _Columns(shifted, np.square(shifted), present.astype(np.float64))
    correlation, quiet = np.empty((coins, coins)), np.empty((coins, coins), np.bool_)
    blocks = [slice(begin, begin + _BLOCK) for begin in range(0, coins, _BLOCK)]
    for number, left in enumerate(blocks):
        for right in blocks[number:]:
            first, second = columns.part(left), columns.part(right)
            found, still, lost = _block(first, None if left is right else second, n[left, right])
            correlation[left, right], correlation[right, left] = found, found.T
            quiet[left, right], quiet[right, left] = still, still.T
            lost &= enough[left, right]
            if left is right:
                lost = np.triu(lost)
            for row in np.flatnonzero(lost.any(axis=1)).tolist():
                i, others = left.start + row, right.start + np.flatnonzero(lost[row])
                found, still = _pairs(values, present, i, others)
                correlation[i, others] = correlation[others, i] = found
                quiet[i, others] = quiet[others, i] = still
    return correlation, quiet if quiet.any() else None


def _block(
    first: _Columns, second: _Columns | None, n: NDArray[np.uint32]
) -> tuple[Floats, Booleans, Booleans]:
    """Return correlations of columns with others, which are quiet, and which have lost digits.

    None stands for the same columns: what is of the second ones is then the transpose.
    """
    other = first if second is None else second
    counts = np.maximum(n, 1).astype(np.float64)
    sums = first.values.T @ other.mask
    squares = first.squares.T @ other.mask
    other_sums = sums.T if second is None else first.mask.T @ other.values
    other_squares = squares.T if second is None else first.mask.T @ other.squares
    variance = squares - sums * sums / counts
    other_variance = other_squares - other_sums * other_sums / counts
    quiet = (squares == 0.0) | (other_squares == 0.0)
    lost = (variance < _CANCELLED * squares) | (other_variance < _CANCELLED * other_squares)
    lost &= ~quiet
    covariance = first.values.T @ other.values
    covariance -= sums * other_sums / counts
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance /= np.sqrt(variance * other_variance)
    return covariance, quiet, lost


def _shifted(values: Floats, present: Booleans) -> Floats:
    """Return the columns shifted and scaled to [−1, 1], 0 where missing.

    They are shifted by one of their own values, the (lower) median: a column that does not move
    in the rows at hand is then exactly 0 in most cases, and a far value takes no digits of others.
    """
    counts = present.sum(axis=0)
    if not len(values):
        return values
    # NaN sorts last. A column without a value keeps NaN here, which no row of it reads.
    middle = np.maximum(counts - 1, 0) // 2
    medians = np.sort(values, axis=0)[middle, np.arange(values.shape[1])]
    shifted = np.where(present, values - medians, 0.0)
    scales = np.abs(shifted).max(axis=0)
    scales[scales == 0.0] = 1.0
    shifted /= scales
    return shifted


def _pairs(values: Floats, present: Booleans, i: int, others: Indices) -> tuple[Floats, Booleans]:
    """Return correlations of column i with others (M,), each from its own rows, and the quiet."""
    together = present[:, others] & present[:, i : i + 1]
    n = together.sum(axis=0)
    quiet = np.zeros(len(others), np.bool_)
    centred = []
    for part in (np.broadcast_to(values[:, i : i + 1], together.shape), values[:, others]):
        least = part.min(axis=0, where=together, initial=np.inf)
        quiet |= least == part.max(axis=0, where=together, initial=-np.inf)
        means = part.sum(axis=0, where=together) / n
        centred.append(np.where(together, part - means, 0.0))
    first, second = centred
    squares = np.einsum("tm,tm->m", first, first), np.einsum("tm,tm->m", second, second)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.einsum("tm,tm->m", first, second) / (np.sqrt(squares[0]) * np.sqrt(squares[1]))
    return found, quiet
