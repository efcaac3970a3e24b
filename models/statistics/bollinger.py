"""Bollinger bands: the simple moving average ± so many population standard deviations.

Source: John Bollinger, "Bollinger on Bollinger Bands" (2001).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.sma import sma

Floats = NDArray[np.float64]


def bollinger(
    values: Floats, start: NDArray[np.int64], length: int, deviations: float
) -> tuple[Floats, Floats]:
    """Return the upper and the lower band of `values`, shape (bars, markets), oldest first.

    Shape (markets,) each; NaN where the row that begins at `start` is shorter than `length`.

    >>> bollinger(np.array([[1.0], [3.0]]), np.array([0]), 2, 2.0)
    (array([4.]), array([0.]))
    """
    mean = sma(values, start, length)
    # Around the mean, not E[x²] − E[x]², which loses all digits on prices.
    away = values[-length:] - mean
    width = deviations * np.sqrt(np.sum(away * away, axis=0) / length)
    return mean + width, mean - width
