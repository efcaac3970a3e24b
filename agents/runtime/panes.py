"""Panes of one source in a ring, and windows merged from them when they are read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import InvariantError
from models.statistics.sums_in_order import sum_in_order

Pane = Mapping[str, NDArray[np.float64]]


class PaneColumns(msgspec.Struct, frozen=True):
    """The columns of a pane by the way in which they merge; `values` do not, NaN is none."""

    sums: tuple[str, ...] = ()
    minima: tuple[str, ...] = ()
    maxima: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    def neutral(self) -> dict[str, float]:
        """Return by column the value that changes nothing in a merge."""
        return {
            **dict.fromkeys(self.sums, 0.0),
            **dict.fromkeys(self.minima, np.inf),
            **dict.fromkeys(self.maxima, -np.inf),
            **dict.fromkeys(self.values, np.nan),
        }


class PaneRing:
    """The newest `slots` panes of one source; markets are columns and may grow in number.

    Rows lie in time order, so that a window is one slice: panes are appended, and when the end is
    reached the newest move back to the beginning.
    """

    def __init__(self, columns: PaneColumns, slots: int) -> None:
        """Hold nothing yet."""
        self.columns = columns
        self.slots = slots
        neutral = columns.neutral()
        self._place = {name: place for place, name in enumerate(neutral)}
        self._neutral = np.array(list(neutral.values()))
        self._width = 0
        self._capacity = slots + max(slots // 4, 1)
        self._values = np.zeros((self._capacity, len(neutral), 0))
        self._first = 0
        self._end = 0

    def put(self, index: int, pane: Pane) -> None:
        """Keep the pane of window number `index` (its start divided by its length).

        Raises:
            InvariantError: a later one is there already.
        """
        if index < self._end:
            raise InvariantError(f"expected a pane from {self._end} on, was {index}")
        width = len(next(iter(pane.values())))
        if width > self._width:
            self._widen(max(width, 2 * self._width))
        if index >= self._first + self._capacity:
            self._move_back(index)
        row = index - self._first
        # What lies between was passed over: nothing was seen in it.
        self._values[self._end - self._first : row + 1] = self._neutral[:, None]
        for name, place in self._place.items():
            self._values[row, place, :width] = pane[name]
        self._end = index + 1

    def merged(self, end: int, count: int, width: int) -> dict[str, NDArray[np.float64]]:
        """Return the `count` panes before window number `end` as one, for `width` markets.

        Sums run along the panes in time order, one after the other.
        """
        rows = self._rows(end, count, width)
        sums = len(self.columns.sums)
        minima = sums + len(self.columns.minima)
        maxima = minima + len(self.columns.maxima)
        parts = (
            (self.columns.sums, sum_in_order(rows[:, :sums])),
            (self.columns.minima, np.minimum.reduce(rows[:, sums:minima], initial=np.inf)),
            (self.columns.maxima, np.maximum.reduce(rows[:, minima:maxima], initial=-np.inf)),
        )
        return {
            name: column
            for names, columns in parts
            for name, column in zip(names, columns, strict=True)
        }

    def column(self, name: str, end: int, count: int, width: int) -> NDArray[np.float64]:
        """Return one column of the `count` panes before number `end`, shape (count, width).

        A pane that is not there is neutral.
        """
        place = self._place[name]
        result = np.full((count, width), self._neutral[place])
        rows = self._rows(end, count, width)
        first = max(end - count, self._first) - (end - count)
        result[first : first + len(rows)] = rows[:, place]
        return result

    def _rows(self, end: int, count: int, width: int) -> NDArray[np.float64]:
        """Return what is held of the `count` panes before `end`."""
        if width > self._width:
            self._widen(width)
        first = max(end - count, self._first) - self._first
        last = max(min(end, self._end) - self._first, first)
        return self._values[first:last, :, :width]

    def _move_back(self, index: int) -> None:
        """Make room for `index` by forgetting all but the newest panes."""
        first = index + 1 - self.slots
        if first >= self._end:
            self._first = self._end = first
            return
        kept = self._values[first - self._first : self._end - self._first].copy()
        self._values[: len(kept)] = kept
        self._first = first

    def _widen(self, width: int) -> None:
        wider = np.empty((self._capacity, len(self._neutral), width))
        wider[:] = self._neutral[:, None]
        wider[:, :, : self._width] = self._values
        self._values = wider
        self._width = width
