"""The coins that have a whole matrix, and its repair to a positive semi-definite one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.correlation.rows import Floats


def complete(matrix: Floats) -> NDArray[np.intp]:
    """Return, rising, coins among which every cell is defined.

    Coins without a diagonal are left out first, then again and again the one with most null cells;
    of several the last one.
    """
    kept = np.flatnonzero(~np.isnan(matrix.diagonal()))
    missing = np.isnan(matrix[np.ix_(kept, kept)])
    counts = missing.sum(axis=1)
    while counts.any():
        worst = len(counts) - 1 - int(np.argmax(counts[::-1]))
        counts = np.delete(counts - missing[worst], worst)
        missing = np.delete(np.delete(missing, worst, axis=0), worst, axis=1)
        kept = np.delete(kept, worst)
    return kept


def repair(matrix: Floats) -> tuple[Floats, bool]:
    """Return the matrix (N, N) without negative eigenvalues, and whether that changed anything.

    Negative eigenvalues are cut to 0 and the diagonal is scaled back to 1: the first step of
    N. J. Higham, Computing the nearest correlation matrix, IMA Journal of Numerical Analysis
    22(3), 2002, without the iteration to the nearest. Cells of coins that are not `complete` stay
    as they are. What rounding alone makes negative is no change.
    """
    kept = complete(matrix)
    if not len(kept):
        return matrix, False
    values, vectors = np.linalg.eigh(matrix[np.ix_(kept, kept)])
    if values[0] >= -len(kept) * np.finfo(np.float64).eps * values[-1]:
        return matrix, False
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))
    scaled /= np.sqrt(np.einsum("ik,ik->i", scaled, scaled))[:, None]
    whole = scaled @ scaled.T
    np.clip(whole, -1.0, 1.0, out=whole)
    np.fill_diagonal(whole, 1.0)
    repaired = matrix.copy()
    repaired[np.ix_(kept, kept)] = whole
    return repaired, True
