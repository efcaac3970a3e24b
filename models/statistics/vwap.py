"""Volume-weighted average price."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def vwap(quote_volume: Floats, volume: Floats, start: NDArray[np.int64], length: int) -> Floats:
    """Return Σ price · size ÷ Σ size of the newest `length` bars.

    Columns have shape (bars, markets), oldest first. Shape (markets,); NaN where the row that
    begins at `start` is shorter, the volume is 0, or one of the bars does not tell it.

    >>> vwap(np.array([[6.0], [8.0]]), np.array([[3.0], [1.0]]), np.array([0]), 2).tolist()
    [3.5]
    """
    if len(volume) < length:
        return np.full(volume.shape[1], np.nan)
    size = np.sum(volume[-length:], axis=0)
    value = np.sum(quote_volume[-length:], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(size > 0, value / size, np.nan)
    return np.where(len(volume) - start >= length, mean, np.nan)
