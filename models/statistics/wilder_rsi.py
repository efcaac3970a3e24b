"""Relative strength index with Wilder's averages.

Source: J. Welles Wilder, "New Concepts in Technical Trading Systems" (1978).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.smoothing import smoothed

Floats = NDArray[np.float64]


def wilder_rsi(closes: Floats, start: NDArray[np.int64], length: int) -> Floats:
    """Return 100 · gain ÷ (gain + loss), the averages of rises and falls, 0 to 100.

    `closes` has shape (bars, markets), oldest first. Shape (markets,); NaN where the row that
    begins at `start` has less than `length + 1` closes, or neither a gain nor a loss.

    >>> wilder_rsi(np.array([[1.0], [4.0], [3.0]]), np.array([0]), 2).tolist()
    [75.0]
    """
    change = np.diff(closes, axis=0)
    gain = smoothed(np.maximum(change, 0.0), start, length, 1.0 / length)
    loss = smoothed(np.maximum(-change, 0.0), start, length, 1.0 / length)
    with np.errstate(invalid="ignore"):
        result: Floats = 100.0 * gain / (gain + loss)
    return result
