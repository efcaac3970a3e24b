"""Average true range with Wilder's average.

Source: J. Welles Wilder, "New Concepts in Technical Trading Systems" (1978).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.smoothing import smoothed

Floats = NDArray[np.float64]


def atr(high: Floats, low: Floats, close: Floats, start: NDArray[np.int64], length: int) -> Floats:
    """Return the average of max(h − l, |h − c₋₁|, |l − c₋₁|), in the prices' unit.

    Columns have shape (bars, markets), oldest first; the first bar of a row has no true range.
    Shape (markets,); NaN where the row that begins at `start` has less than `length + 1` bars.

    >>> column = np.array([[1.0], [4.0], [3.0]])
    >>> atr(column, column, column, np.array([0]), 2).tolist()
    [2.0]
    """
    before = close[:-1]
    up, down = np.abs(high[1:] - before), np.abs(low[1:] - before)
    true_range = np.maximum(high[1:] - low[1:], np.maximum(up, down))
    return smoothed(true_range, start, length, 1.0 / length)
