"""Prices on a grid of times: each point has the last price of the interval that ends there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.correlate.timestamps import Times

_NEVER = np.iinfo(np.int64).min


class PriceGrid:
    """The last price of each coin in each of the intervals that end at `points` times.

    An interval is `(point − step, point]`: what is older than a step is not carried on, so a
    point without a price in its own interval is missing. Prices may come in any order of time;
    of several at one time the last to come is taken. Times are in nanoseconds.
    """

    def __init__(self, end: int, step: int, points: int, coins: int) -> None:
        """Hold nothing yet; `end` is the last point."""
        self.begin = end - (points - 1) * step
        self._end, self._step = end, step
        self.price: NDArray[np.float64] = np.full((points, coins), np.nan)
        self._newest: Times = np.full((points, coins), _NEVER)
        self.first: Times = np.full(coins, np.iinfo(np.int64).max)

    def add(self, times: Times, prices: NDArray[np.float64]) -> None:
        """Take prices (n, N) at times (n,); NaN is none.

        `first` becomes the time of each coin's first price up to the end of the grid.
        """
        early = times <= self._end
        if not early.all():
            times, prices = times[early], prices[early]
        if (np.diff(times) < 0).any():
            order = np.argsort(times, kind="stable")
            times, prices = times[order], prices[order]
        seen = ~np.isnan(prices)
        some = np.flatnonzero(seen.any(axis=0))
        self.first[some] = np.minimum(self.first[some], times[seen[:, some].argmax(axis=0)])
        cells = -((self.begin - times) // self._step)
        inside = int(np.searchsorted(cells, 0))
        if inside < len(cells):
            self._take(times[inside:], prices[inside:], seen[inside:], cells[inside:])

    def _take(
        self,
        times: Times,
        prices: NDArray[np.float64],
        seen: NDArray[np.bool_],
        cells: Times,
    ) -> None:
        """Put the last price of each interval in, where it is not older than the one there."""
        begins = np.flatnonzero(np.diff(cells, prepend=-1))
        rows = np.where(seen, np.arange(len(cells))[:, None], -1)
        last = np.maximum.reduceat(rows, begins, axis=0)
        points = cells[begins]
        newer = (last >= 0) & (times[last] >= self._newest[points])
        taken = np.take_along_axis(prices, np.maximum(last, 0), axis=0)
        self.price[points] = np.where(newer, taken, self.price[points])
        self._newest[points] = np.where(newer, times[last], self._newest[points])
