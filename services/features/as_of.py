"""As-of joins: of each time the newest row at or before it, unless that is too old.

Pure: numbers in, numbers out. Times are int64 microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


class Track(msgspec.Struct, frozen=True):
    """Rows of one series: N times that rise, and columns of N values, NaN where undefined.

    `known` is when each row could be known, no earlier than its time and never falling; without
    it that is the time itself.
    """

    times: Times
    columns: Mapping[str, Floats]
    known: Times | None = None


def empty_track(columns: Sequence[str]) -> Track:
    """Return a series without rows."""
    return Track(np.zeros(0, np.int64), {name: np.zeros(0) for name in columns})


def places(track: Track, at: Times, limit: int) -> NDArray[np.intp]:
    """Return by time the place of the row in force, -1 where there is none within `limit`.

    A row is in force from when it is known until the next one is; `limit` is its greatest age.
    """
    known = track.times if track.known is None else track.known
    found = np.searchsorted(known, at, "right") - 1
    if not len(known):
        return found
    is_fresh = (found >= 0) & (at - track.times[found] <= limit)
    return np.where(is_fresh, found, -1)


def taken(values: Floats, found: NDArray[np.intp]) -> Floats:
    """Return the values at these places, NaN at -1. An undefined value stays undefined."""
    if not len(values):
        return np.full(len(found), np.nan)
    result: Floats = np.where(found >= 0, values[found], np.nan)
    return result


def ages(track: Track, found: NDArray[np.intp], at: Times) -> Floats:
    """Return how old the rows at these places are, in seconds; NaN at -1."""
    if not len(track.times):
        return np.full(len(found), np.nan)
    result: Floats = np.where(found >= 0, (at - track.times[found]) / 1e6, np.nan)
    return result


def median(values: Floats) -> Floats:
    """Return the median of the defined values of each column of shape (M, T), NaN without one.

    Of an even number it is the mean of the middle two.
    """
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(values)).sum(axis=0)
    if not len(values):
        return np.zeros(values.shape[1]) * np.nan
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(values) - 1)[None], axis=0)[0]
    result: Floats = np.where(count > 0, (low + high) / 2, np.nan)
    return result


def log_return(before: Floats, after: Floats) -> Floats:
    """Return `ln(after ÷ before)`, NaN where either is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.log(after / before)
    return result
