"""Whether correlations have changed against those of a longer window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from models.statistics.correlation.rows import Floats

CHANGED = 1.96
LEAST_EARLIER = 30


def change(r: Floats, n_effective: Floats, long_r: Floats, long_n_effective: Floats) -> Floats:
    """Return z = (atanh r − atanh R) ÷ √(1/(n − 3) + 1/(N − 3)), of any shape.

    NaN where one of both is, or an effective n is not above 3. Correlations of ±1 are taken for
    the closest numbers inside.
    """
    largest = np.nextafter(1.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.arctanh(np.clip(r, -largest, largest))
        difference -= np.arctanh(np.clip(long_r, -largest, largest))
        found: Floats = difference / np.sqrt(
            1.0 / (n_effective - 3.0) + 1.0 / (long_n_effective - 3.0)
        )
    usable = (n_effective > 3.0) & (long_n_effective > 3.0)
    return np.where(usable, found, np.nan)


def average(z: Floats) -> float | None:
    """Return the mean of the pairs' z (N, N) above the diagonal; None without a defined pair."""
    above = z[np.triu_indices(len(z), 1)]
    above = above[~np.isnan(above)]
    return float(above.mean()) if len(above) else None


def distance(latest: float, earlier: Sequence[float]) -> float | None:
    """Return by how many standard deviations `latest` is away from the mean of `earlier`.

    `earlier` are the averages of the steps of the last window. None, `warming`, before 30 of them,
    and None, `quiet`, where they do not differ.
    """
    if len(earlier) < LEAST_EARLIER or max(earlier) == min(earlier):
        return None
    mean = math.fsum(earlier) / len(earlier)
    variance = math.fsum((each - mean) ** 2 for each in earlier) / len(earlier)
    return (latest - mean) / math.sqrt(variance)
