"""Realised volatility: √Σr² of log returns, annualised for a market that never closes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

YEAR_SECONDS = 365 * 86_400


def realised_volatility(
    closes: Floats, start: NDArray[np.int64], returns: int, interval_seconds: int
) -> Floats:
    """Return √(Σ r²) of the newest `returns` log returns, times √(year ÷ their time).

    `closes` has shape (bars, markets), oldest first. Shape (markets,), a fraction (0.5 is 50 % a
    year); NaN where the row that begins at `start` has less than `returns + 1` closes.

    >>> realised_volatility(np.array([[1.0], [np.e]]), np.array([0]), 1, YEAR_SECONDS).tolist()
    [1.0]
    """
    if len(closes) <= returns:
        return np.full(closes.shape[1], np.nan)
    r = np.diff(np.log(closes[-returns - 1 :]), axis=0)
    scale = np.sqrt(YEAR_SECONDS / (returns * interval_seconds))
    value = np.sqrt(np.sum(r * r, axis=0)) * scale
    return np.where(len(closes) - start > returns, value, np.nan)
