"""How fast many series come back to their mean: an AR(1) fit with holes, and its half-life.

    x_t = a + φ x_{t−1} + ε,    φ = Σ (x_{t−1} − x̄_{t−1})(x_t − x̄_t) / Σ (x_{t−1} − x̄_{t−1})²

over the pairs of neighbours that both have a value, by least squares with intercept; of the
distance from the mean a half is left after `ln 0.5 / ln φ` steps (for 0 < φ < 1; the discrete
form of the half-life of an Ornstein-Uhlenbeck process, Uhlenbeck & Ornstein 1930).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.deviation import FLAT
from models.statistics.sums_in_order import sum_in_order


class MeanReversion(msgspec.Struct, frozen=True):
    """By column the slope φ, NaN where the earlier values do not vary, and the pairs (int64)."""

    slope: NDArray[np.float64]
    pairs: NDArray[np.int64]


def mean_reversion(x: NDArray[np.float64]) -> MeanReversion:
    """Return the fit of `x`, shape (times, columns); NaN is a hole.

    >>> mean_reversion(np.array([[8.0], [4.0], [2.0], [1.0]])).slope.tolist()
    [0.5]
    """
    known = ~np.isnan(x)
    both = known[1:] & known[:-1]
    pairs = np.count_nonzero(both, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        earlier, later = (
            np.where(both, part - sum_in_order(np.where(both, part, 0.0)) / pairs, 0.0)
            for part in (x[:-1], x[1:])
        )
        squares = sum_in_order(earlier**2)
        slope = sum_in_order(earlier * later) / squares
        flat = ~(np.sqrt(squares / (pairs - 1)) > FLAT)
    return MeanReversion(np.where(flat, np.nan, slope), pairs)


def half_life(slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return after how many steps half of a distance is left; NaN unless 0 < slope < 1.

    >>> half_life(np.array([0.5, 0.25, 1.0])).tolist()
    [1.0, 0.5, nan]
    """
    reverts = (slope > 0) & (slope < 1)
    return np.where(reverts, np.log(0.5) / np.log(np.where(reverts, slope, 0.5)), np.nan)
