"""Time cut into pieces in which nothing changes, and what follows from them: integrals, extremes.

Every function takes all moments at once. Times are int64 nanoseconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000_000

Times = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Integral:
    """The integral over time of a value that changes at breaks, and of the time that counts."""

    def __init__(self, breaks: Times, value: Floats, good: Flags) -> None:
        """`value` holds from each break on; it counts where it is good and a number."""
        counts = good & np.isfinite(value)
        lengths = np.diff(breaks)
        self._breaks = breaks
        self._rates = np.where(counts, value, 0.0)
        self._weights = counts.astype(np.int64)
        # Of an hour's area a window is a small part: what float64 would round off would show.
        area = np.cumsum(self._rates[:-1].astype(np.longdouble) * lengths)
        self._area = np.concatenate([np.zeros(1, np.longdouble), area])
        self._weight = np.concatenate([[0], np.cumsum(self._weights[:-1] * lengths)])

    def over(self, begin: Times, end: Times) -> tuple[Floats, Times]:
        """Return integral and counted time (ns) of every `[begin, end)`."""
        area_end, weight_end = self._until(end)
        area_begin, weight_begin = self._until(begin)
        return (area_end - area_begin).astype(np.float64), weight_end - weight_begin

    def means(self, begin: Times, end: Times) -> Floats:
        """Return the mean over the counted time of every `[begin, end)`; NaN without any."""
        area, weight = self.over(begin, end)
        return divided(area, weight)

    def _until(self, moment: Times) -> tuple[NDArray[np.longdouble], Times]:
        piece = np.searchsorted(self._breaks, moment, "right") - 1
        known = piece >= 0
        at = np.maximum(piece, 0)
        since = np.where(known, moment - self._breaks[at], 0)
        area = np.where(known, self._area[at], 0) + self._rates[at].astype(np.longdouble) * since
        return area, np.where(known, self._weight[at], 0) + self._weights[at] * since


class Sums:
    """Sums and numbers of what happened between moments; `value` that is NaN does not count."""

    def __init__(self, time: Times, value: Floats) -> None:
        counts = np.isfinite(value)
        self._time = time[counts]
        total = np.cumsum(value[counts].astype(np.longdouble))
        self._total = np.concatenate([np.zeros(1, np.longdouble), total])

    def over(self, begin: Times, end: Times) -> tuple[Floats, Times]:
        """Return sum and number of what lies in every `[begin, end)`."""
        low, high = np.searchsorted(self._time, begin), np.searchsorted(self._time, end)
        total = self._total[high] - self._total[low]
        return total.astype(np.float64), (high - low).astype(np.int64)

    def means(self, begin: Times, end: Times) -> Floats:
        """Return the mean of what lies in every `[begin, end)`; NaN of nothing."""
        total, n = self.over(begin, end)
        return divided(total, n)


def extremes(values: Floats, low: Times, high: Times) -> tuple[Floats, Floats]:
    """Return least and greatest of every `values[low:high]`, NaN left out; NaN of nothing."""
    bounds = np.empty(2 * len(low), np.int64)
    bounds[::2], bounds[1::2] = low, np.maximum(high, low)
    found = []
    for reduce, nothing in ((np.minimum, np.inf), (np.maximum, -np.inf)):
        # One more value, since an index must lie within.
        padded = np.append(np.where(np.isnan(values), nothing, values), nothing)
        reduced = np.where(high > low, reduce.reduceat(padded, bounds)[::2], nothing)
        found.append(np.where(np.isfinite(reduced), reduced, np.nan))
    return found[0], found[1]


def divided(above: Floats, below: NDArray[np.int64] | Floats) -> Floats:
    """Return `above ÷ below`, NaN where `below` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Floats = np.where(below != 0, above / below, np.nan)
    return quotient


def seen_pieces(starts: Times, ends: Times) -> tuple[Times, Flags]:
    """Return breaks, and whether the piece from each on lies in no `[start, end)`."""
    breaks = np.unique(np.concatenate([[0], starts, ends])).astype(np.int64)
    open_at = np.searchsorted(np.sort(starts), breaks, "right")
    closed_at = np.searchsorted(np.sort(ends), breaks, "right")
    return breaks, open_at == closed_at
