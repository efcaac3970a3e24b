"""A book of price levels on the grid: prices in ticks, sizes in lots, both whole numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import msgspec

Level = tuple[int, int]
"""A price in ticks and its size in lots; as a change, the new size, and 0 removes it."""

_SPARE = 24
"""How many levels a side may have beyond its number before the farthest go."""


class Ladder:
    """One side. Prices times `sign` stand in a rising list, whose last one is the best."""

    __slots__ = ("_keys", "_sizes", "sign")

    def __init__(self, sign: int) -> None:
        """`sign` is +1 for bids, −1 for asks."""
        self.sign = sign
        self._keys: list[int] = []
        self._sizes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def best(self) -> Level:
        """Return the best level; 0 in both where there is none."""
        if not self._keys:
            return (0, 0)
        key = self._keys[-1]
        return (key * self.sign, self._sizes[key])

    def level(self, number: int) -> Level:
        """Return the level that is this far from the best (0), or the farthest."""
        key = self._keys[max(-1 - number, -len(self._keys))]
        return (key * self.sign, self._sizes[key])

    def worst(self) -> Level:
        """Return the farthest level."""
        key = self._keys[0]
        return (key * self.sign, self._sizes[key])

    def top(self, count: int) -> list[Level]:
        """Return the best levels, best first."""
        sign, sizes = self.sign, self._sizes
        return [(key * sign, sizes[key]) for key in self._keys[: -count - 1 : -1]]

    def size(self, tick: int) -> int:
        """Return the size at a price; 0 where there is no level."""
        return self._sizes.get(tick * self.sign, 0)

    def put(self, tick: int, size: int) -> None:
        """Set the size at a price; 0 removes the level."""
        key = tick * self.sign
        keys = self._keys
        if key in self._sizes:
            if size:
                self._sizes[key] = size
            else:
                del self._sizes[key]
                del keys[bisect_left(keys, key)]
        elif size:
            self._sizes[key] = size
            keys.insert(bisect_left(keys, key), key)


class Changes(msgspec.Struct, gc=False):
    """What one event did to a book."""

    bids: list[Level] = []
    asks: list[Level] = []


class Book:
    """Both sides of a market. Where `new_size` is asked for, it gives the size of a new level.

    A side keeps about `levels` levels: beyond, the farthest go; below, farther ones come,
    `spacing` ticks apart.
    """

    __slots__ = ("_levels", "_new_size", "_spacing", "asks", "bids")

    def __init__(self, levels: int, spacing: int, new_size: Callable[[], int]) -> None:
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self._levels = levels
        self._spacing = spacing
        self._new_size = new_size

    def best(self) -> tuple[int, int, int, int]:
        """Return the best bid, its size, the best ask and its size."""
        return self.bids.best() + self.asks.best()

    def requote(self, bid: int, ask: int) -> Changes:
        """Make these the best prices (bid < ask): what is better goes, a missing level comes."""
        return Changes(self._move(self.bids, bid), self._move(self.asks, ask))

    def resize(self, side: Ladder, number: int) -> Changes:
        """Give the level this far from the best another size."""
        tick, _ = side.level(number)
        size = self._new_size()
        side.put(tick, size)
        return self._changes(side, [(tick, size)])

    def cross(self, by: int) -> Changes:
        """Put a bid above the best ask, and leave it there until the next `requote`."""
        tick, size = self.asks.best()[0] + by, self._new_size()
        self.bids.put(tick, size)
        return Changes([(tick, size)], [])

    def take(self, side: Ladder, lots: int) -> tuple[list[Level], Changes]:
        """Trade against a side, best level first, and never its last; return fills and changes."""
        fills: list[Level] = []
        changes: list[Level] = []
        while lots and len(side) > 1:
            tick, size = side.best()
            filled = min(lots, size)
            lots -= filled
            side.put(tick, size - filled)
            fills.append((tick, filled))
            changes.append((tick, size - filled))
        self._fill_up(side, changes)
        return fills, self._changes(side, changes)

    def _changes(self, side: Ladder, changes: list[Level]) -> Changes:
        return Changes(changes, []) if side is self.bids else Changes([], changes)

    def _move(self, side: Ladder, target: int) -> list[Level]:
        changes: list[Level] = []
        sign = side.sign
        best, size = side.best()
        while size and best * sign > target * sign:
            side.put(best, 0)
            changes.append((best, 0))
            best, size = side.best()
        if not size or best != target:
            size = self._new_size()
            side.put(target, size)
            changes.append((target, size))
        self._fill_up(side, changes)
        if len(side) > self._levels + _SPARE:
            tick, _ = side.worst()
            side.put(tick, 0)
            changes.append((tick, 0))
        return changes

    def _fill_up(self, side: Ladder, changes: list[Level]) -> None:
        while len(side) < self._levels:
            tick = side.worst()[0] - side.sign * self._spacing
            if tick <= 0:
                return
            size = self._new_size()
            side.put(tick, size)
            changes.append((tick, size))
