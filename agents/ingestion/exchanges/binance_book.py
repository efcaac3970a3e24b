"""A Binance depth book, put together from a REST snapshot and the updates around it.

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams ("How to
manage a local order book correctly"), and docs/from-frames-to-figures.md, section 3.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from agents.ingestion.exchanges.levels import PriceBook

WAITING_LIMIT = 1_000
"""How many updates wait for a snapshot; the oldest go."""


class DepthChange(NamedTuple):
    """An update that covers the ids `first` to `last`."""

    first: int
    last: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class DepthBook:
    """`in_step` says whether `prices` is what the exchange holds, as of update `last_id`."""

    __slots__ = ("_has_snapshot", "_waiting", "in_step", "last_id", "prices")

    def __init__(self) -> None:
        self.prices = PriceBook()
        self.last_id = 0
        self.in_step = False
        self._has_snapshot = False
        self._waiting: deque[DepthChange] = deque(maxlen=WAITING_LIMIT)

    def update(self, change: DepthChange) -> None:
        """Apply an update, or keep it until a snapshot comes."""
        if not self._has_snapshot:
            self._waiting.append(change)
        elif self.in_step:
            if change.first == self.last_id + 1:
                self._apply(change)
            else:
                self._lose(change)
        elif change.last > self.last_id:
            # The first update that the snapshot does not hold already must reach back to it.
            if change.first <= self.last_id + 1:
                self.in_step = True
                self._apply(change)
            else:
                self._lose(change)

    def load(
        self,
        last_id: int,
        bids: list[tuple[float, float]],
        asks: list[tuple[float, float]],
    ) -> None:
        """Start from a snapshot and apply what waited for it; a book in step needs none."""
        if self.in_step:
            return
        self.prices.load(bids, asks)
        self.last_id = last_id
        self._has_snapshot = True
        waiting = list(self._waiting)
        self._waiting.clear()
        for change in waiting:
            self.update(change)

    def _apply(self, change: DepthChange) -> None:
        self.prices.update(change.bids, change.asks)
        self.last_id = change.last

    def _lose(self, change: DepthChange) -> None:
        """Give the book up; `change` is the first that waits for the next snapshot."""
        self.in_step = self._has_snapshot = False
        self.prices = PriceBook()
        self._waiting.append(change)
