"""A Kraken order book with its checksum.

Source: https://docs.kraken.com/api/docs/guides/spot-ws-book-v2 (the checksum), and
docs/from-frames-to-figures.md, section 3.
"""

from __future__ import annotations

import math
from zlib import crc32

import msgspec

from agents.ingestion.exchanges.fields import malformed
from agents.ingestion.exchanges.kraken_frames import BookLevel
from agents.ingestion.exchanges.levels import BookSide
from agents.ingestion.exchanges.market_state import Best

DEFAULT_DEPTH = 10
DEPTHS = (10, 25, 100, 500, 1_000)
_CHECKED_LEVELS = 10


class ReadLevel(msgspec.Struct, frozen=True, gc=False):
    """A level as read; `digits` are what the checksum takes of its price and size."""

    price: float
    size: float
    digits: bytes


def read_levels(levels: list[BookLevel]) -> list[ReadLevel]:
    """Return the levels of a frame as numbers and digits.

    Raises:
        FrameError: one of them is no price above 0 or no size.
    """
    read = []
    for level in levels:
        price_text, size_text = bytes(level.price), bytes(level.qty)
        try:
            price, size = float(price_text), float(size_text)
        except ValueError:
            raise malformed("numbers as price and qty", (price_text, size_text)) from None
        if not (0.0 < price < math.inf and 0.0 <= size < math.inf):
            raise malformed("a finite price above 0 and a size of 0 or more", (price, size))
        digits = price_text.replace(b".", b"").lstrip(b"0") + size_text.replace(b".", b"").lstrip(
            b"0"
        )
        read.append(ReadLevel(price, size, digits))
    return read


class KrakenBook:
    """A book kept to the depth subscribed to.

    `in_step` says whether it is what the exchange holds; `lost` whether it was given up and
    waits for a snapshot. A new book is neither.
    """

    __slots__ = ("_asks", "_bids", "depth", "in_step", "lost")

    def __init__(self) -> None:
        self.depth = DEFAULT_DEPTH
        self.in_step = False
        self.lost = False
        self._bids: BookSide[ReadLevel] = BookSide("bids")
        self._asks: BookSide[ReadLevel] = BookSide("asks")

    def load(self, bids: list[ReadLevel], asks: list[ReadLevel], checksum: int) -> bool:
        """Start anew from a snapshot; return whether its checksum holds.

        More levels on a side than the depth known so far say which depth it really is.
        """
        deepest = max(len(bids), len(asks))
        if deepest > self.depth:
            self.depth = next((depth for depth in DEPTHS if depth >= deepest), DEPTHS[-1])
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            by_price = {level.price: level for level in levels}
            side.load(item for item in by_price.items() if item[1].size)
        return self._settle(checksum)

    def update(self, bids: list[ReadLevel], asks: list[ReadLevel], checksum: int) -> bool:
        """Apply changes to a book in step; return whether the checksum holds after them."""
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            for level in levels:
                if level.size:
                    side.put(level.price, level)
                else:
                    side.remove(level.price)
        return self._settle(checksum)

    def lose(self) -> bool:
        """Give the book up until its next snapshot; return whether it was not given up before."""
        first = not self.lost
        self.in_step, self.lost = False, True
        return first

    def best(self) -> Best:
        """Return bid, its size, ask and its size; a missing side is 0 in both."""
        bid, ask = self._bids.best(), self._asks.best()
        return ((bid[0], bid[1].size) if bid else (0.0, 0.0)) + (
            (ask[0], ask[1].size) if ask else (0.0, 0.0)
        )

    def checksum(self) -> int:
        """Return the CRC32 over the best 10 asks, then the best 10 bids, best first."""
        levels = self._asks.top(_CHECKED_LEVELS) + self._bids.top(_CHECKED_LEVELS)
        return crc32(b"".join([level.digits for level in levels]))

    def _settle(self, checksum: int) -> bool:
        # What falls out of the depth is not told as removed.
        self._bids.truncate(self.depth)
        self._asks.truncate(self.depth)
        self.in_step = self.checksum() == checksum
        return self.in_step
