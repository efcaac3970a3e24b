"""Bars in a row: what indicators are computed over.

The rules are section 3 of `docs/bars-and-indicators.md`: a bar that was seen and has no price is a
flat one at the last close; one that was not seen ends the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class BarRows(msgspec.Struct, frozen=True):
    """Rows of bars up to the newest one; columns of shape (bars, markets), oldest first.

    The row of market j are the bars from `start[j]` on; what stands before is not of it.
    """

    start: NDArray[np.int64]
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote_volume: Floats

    @property
    def n(self) -> NDArray[np.int64]:
        """Return how many bars every row has; shape (markets,)."""
        result: NDArray[np.int64] = len(self.close) - self.start
        return result

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Return which bars are of their row; shape (bars, markets)."""
        result: NDArray[np.bool_] = np.arange(len(self.close))[:, None] >= self.start
        return result


def bar_rows(bars: Mapping[str, NDArray[Any]]) -> BarRows:
    """Return the rows within `bars`: columns of shape (bars, markets) as `BAR_COLUMNS` says.

    A row begins with a bar that has a price.
    """
    close = np.asarray(bars["close"], np.float64)
    count = len(close)
    place = np.arange(count)[:, None]
    priced = ~np.isnan(close)
    # The volume of what was not seen, and of an absent bar, is undefined.
    ends = ~priced & np.isnan(bars["volume"])
    after = np.max(np.where(ends, place, -1), axis=0, initial=-1) + 1
    start = np.min(np.where(priced & (place >= after), place, count), axis=0, initial=count)
    # The close in force, told by the place of the newest bar with a price.
    source = np.maximum.accumulate(np.where(priced, place, -1), axis=0)
    flat = np.take_along_axis(close, np.maximum(source, 0), axis=0)
    inside = place >= start
    none = np.where(inside, 0.0, np.nan)
    return BarRows(
        start,
        np.where(inside, np.where(priced, bars["high"], flat), np.nan),
        np.where(inside, np.where(priced, bars["low"], flat), np.nan),
        np.where(inside, flat, np.nan),
        np.where(inside & priced, bars["volume"], none),
        np.where(inside & priced, bars["quote_volume"], none),
    )
