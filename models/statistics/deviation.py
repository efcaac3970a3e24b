"""Mean and sample standard deviation along time of many columns with holes, and z-scores.

    μ = Σ x / n        σ = √(Σ (x − μ)² / (n − 1))        z = (value − μ) / σ

In two passes, so nothing cancels; sums run in time order, so neither padding nor the number of
columns changes a bit.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.sums_in_order import sum_in_order

FLAT = 1e-9
"""A deviation of logarithms up to this is none: what is left is rounding."""


class Deviation(msgspec.Struct, frozen=True):
    """By column mean, standard deviation (NaN below two values) and number of values (int64)."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    n: NDArray[np.int64]


def deviation(x: NDArray[np.float64]) -> Deviation:
    """Return the figures of `x`, shape (times, columns); NaN is a hole.

    >>> found = deviation(np.array([[1.0], [np.nan], [3.0]]))
    >>> found.mean.tolist(), found.deviation.tolist(), found.n.tolist()
    ([2.0], [1.4142135623730951], [2])
    """
    known = ~np.isnan(x)
    n = np.count_nonzero(known, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sum_in_order(np.where(known, x, 0.0)) / n
        squares = np.where(known, x - mean, 0.0) ** 2
        variance = sum_in_order(squares) / np.where(n > 1, n - 1, np.nan)
    return Deviation(mean, np.sqrt(variance), n)


def z_score(value: NDArray[np.float64], baseline: Deviation) -> NDArray[np.float64]:
    """Return how many standard deviations each value lies above the mean of its column.

    >>> z_score(np.array([4.0]), deviation(np.array([[1.0], [2.0], [3.0]]))).tolist()
    [2.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return (value - baseline.mean) / baseline.deviation
