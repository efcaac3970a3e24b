"""Simple moving average: the mean of the newest values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sma(values: Floats, start: NDArray[np.int64], length: int) -> Floats:
    """Return the mean of the newest `length` of `values`, shape (bars, markets), oldest first.

    Shape (markets,); NaN where the row that begins at `start` is shorter.

    >>> sma(np.array([[1.0], [2.0], [4.0]]), np.array([0]), 2).tolist()
    [3.0]
    """
    if len(values) < length:
        return np.full(values.shape[1], np.nan)
    mean = np.sum(values[-length:], axis=0) / length
    return np.where(len(values) - start >= length, mean, np.nan)
