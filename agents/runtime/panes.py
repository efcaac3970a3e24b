"""Panes of one source in a ring, and windows merged from them when they are read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

Pane = Mapping[str, NDArray[np.float64]]


class PaneColumns(msgspec.Struct, frozen=True):
    """The columns of a pane by the way in which they merge."""

    sums: tuple[str, ...] = ()
    minima: tuple[str, ...] = ()
    maxima: tuple[str, ...] = ()

    def neutral(self) -> dict[str, float]:
        """Return by column the value that changes nothing in a merge."""
        return {
            **dict.fromkeys(self.sums, 0.0),
            **dict.fromkeys(self.minima, np.inf),
            **dict.fromkeys(self.maxima, -np.inf),
        }


class PaneRing:
    """The newest `slots` panes of one source; markets are columns and may grow in number."""

    def __init__(self, columns: PaneColumns, slots: int) -> None:
        """Hold nothing yet."""
        self.columns = columns
        self.slots = slots
        self._neutral = columns.neutral()
        self._width = 0
        self._index = np.full(slots, -1, np.int64)
        self._values = {name: np.zeros((slots, 0)) for name in self._neutral}

    def put(self, index: int, pane: Pane) -> None:
        """Keep the pane of window number `index` (its start divided by its length)."""
        width = len(next(iter(pane.values())))
        if width > self._width:
            self._widen(max(width, 2 * self._width))
        slot = index % self.slots
        self._index[slot] = index
        for name, neutral in self._neutral.items():
            row = self._values[name][slot]
            row[:width] = pane[name]
            row[width:] = neutral

    def merged(self, end: int, count: int, width: int) -> dict[str, NDArray[np.float64]]:
        """Return the `count` panes before window number `end` as one, for `width` markets.

        Sums run along the panes in time order, one after the other.
        """
        if width > self._width:
            self._widen(width)
        result = {name: np.full(width, neutral) for name, neutral in self._neutral.items()}
        for index in range(end - count, end):
            slot = index % self.slots
            if self._index[slot] != index:
                continue
            for name in self.columns.sums:
                result[name] += self._values[name][slot, :width]
            for name in self.columns.minima:
                np.minimum(result[name], self._values[name][slot, :width], out=result[name])
            for name in self.columns.maxima:
                np.maximum(result[name], self._values[name][slot, :width], out=result[name])
        return result

    def _widen(self, width: int) -> None:
        for name, neutral in self._neutral.items():
            wider = np.full((self.slots, width), neutral)
            wider[:, : self._width] = self._values[name]
            self._values[name] = wider
        self._width = width
