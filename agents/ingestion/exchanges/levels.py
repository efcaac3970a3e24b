"""One side of an order book, kept so that its best level is at hand at any size."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Generic, Literal, TypeVar

Level = TypeVar("Level")


class BookSide(Generic[Level]):
    """The levels of one side by price.

    Prices stand in a list whose last one is the best: what changes, changes near the best, and
    there an insertion moves next to nothing, with 40,000 levels too.
    """

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, side: Literal["bids", "asks"]) -> None:
        self._sign = 1.0 if side == "bids" else -1.0
        self._keys: list[float] = []
        self._levels: dict[float, Level] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, price: float, level: Level) -> None:
        """Set the level at `price`."""
        if price not in self._levels:
            insort(self._keys, self._sign * price)
        self._levels[price] = level

    def remove(self, price: float) -> None:
        """Remove the level at `price`, where there is one."""
        if self._levels.pop(price, None) is not None:
            del self._keys[bisect_left(self._keys, self._sign * price)]

    def load(self, levels: Iterable[tuple[float, Level]]) -> None:
        """Replace every level."""
        self._levels = dict(levels)
        self._keys = sorted(self._sign * price for price in self._levels)

    def truncate(self, depth: int) -> None:
        """Keep the best `depth` levels."""
        excess = len(self._keys) - depth
        if excess > 0:
            for key in self._keys[:excess]:
                del self._levels[self._sign * key]
            del self._keys[:excess]

    def best(self) -> tuple[float, Level] | None:
        """Return the best price and its level; None when the side is empty."""
        if not self._keys:
            return None
        price = self._sign * self._keys[-1]
        return price, self._levels[price]

    def top(self, count: int) -> list[Level]:
        """Return the best `count` levels, the best one first."""
        levels, sign = self._levels, self._sign
        return [levels[sign * key] for key in self._keys[: -count - 1 : -1]]


class PriceBook:
    """Both sides of a book of plain sizes."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids: BookSide[float] = BookSide("bids")
        self.asks: BookSide[float] = BookSide("asks")

    def load(self, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> None:
        """Replace both sides; levels of size 0 are none."""
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            # Of a price that stands there twice the last counts, as everywhere.
            side.load(level for level in dict(levels).items() if level[1])

    def update(self, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> None:
        """Set every level given to its new size; 0 removes it."""
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                if size:
                    side.put(price, size)
                else:
                    side.remove(price)

    def best(self) -> tuple[float, float, float, float]:
        """Return bid, its size, ask and its size; a missing side is 0 in both."""
        return (self.bids.best() or (0.0, 0.0)) + (self.asks.best() or (0.0, 0.0))
