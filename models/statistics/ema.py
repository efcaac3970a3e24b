"""Exponential moving average, α = 2 ÷ (length + 1), begun with a simple one (as TA-Lib's)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.smoothing import smoothed

Floats = NDArray[np.float64]


def ema(values: Floats, start: NDArray[np.int64], length: int) -> Floats:
    """Return the average of `values`, shape (bars, markets), oldest first; rows from `start` on.

    Shape (markets,); NaN where the row is shorter than `length`.

    >>> ema(np.array([[1.0], [3.0], [8.0]]), np.array([0]), 2).tolist()
    [6.0]
    """
    return smoothed(values, start, length, 2.0 / (length + 1))
