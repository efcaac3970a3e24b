"""Exponential smoothing begun with a plain mean, as EMA and Wilder's averages need it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def smoothed(values: Floats, start: NDArray[np.int64], seed: int, alpha: float) -> Floats:
    """Return s of the newest value: s = mean of the first `seed`, then (1 − α)·s + α·value.

    `values` has shape (bars, markets), oldest first; the row of market j begins at `start[j]`.
    Shape (markets,), NaN where the row has less than `seed` values. The recursion is written out
    as its weights, so that every market takes the same few array operations.

    >>> smoothed(np.array([[9.0], [1.0], [3.0], [6.0]]), np.array([1]), 2, 0.5).tolist()
    [4.0]
    """
    count = len(values)
    place = np.arange(count)[:, None]
    n = count - start
    lag = count - 1 - place
    decay = (1.0 - alpha) ** np.arange(count + 1)
    begun = decay[np.clip(n - seed, 0, count)] / seed
    in_seed = place < start + seed
    weight = np.where(in_seed, begun, alpha * decay[lag])
    inside = place >= start
    result = np.sum(np.where(inside, values, 0.0) * np.where(inside, weight, 0.0), axis=0)
    return np.where(n >= seed, result, np.nan)
