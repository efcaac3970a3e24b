"""The 95 % interval of a correlation, by Fisher's z."""

from __future__ import annotations

import numpy as np

from models.statistics.correlation.rows import Floats

STANDARD_NORMAL_95 = 1.96


def interval(matrix: Floats, n_effective: Floats) -> tuple[Floats, Floats]:
    """Return `tanh(atanh r ∓ 1.96 ÷ √(n_effective − 3))`, of any shape; NaN where r is, or n ≤ 3.

    R. A. Fisher, On the probable error of a coefficient of correlation deduced from a small
    sample, Metron 1, 1921.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.arctanh(matrix)
        half = STANDARD_NORMAL_95 / np.sqrt(n_effective - 3.0)
        half = np.where(np.isfinite(half), half, np.nan)
        return np.tanh(z - half), np.tanh(z + half)
