"""What was read of a partition's candles and is still needed by a table."""

from __future__ import annotations

from collections.abc import Iterator

from agents.correlation.rest import CandleClose, candle_closes
from agents.runtime.ordered_taker import OrderedTaker


class CandleLog(OrderedTaker):
    """Candles by offset."""

    def __init__(self, first_offset: int) -> None:
        """Hold nothing yet; `first_offset` is the first to be taken."""
        super().__init__(first_offset)
        self._held: dict[int, CandleClose] = {}

    def _take(self, offset: int, value: bytes | None) -> None:
        self._held[offset] = candle_closes(value)

    def between(self, begin: int, end: int) -> Iterator[tuple[int, CandleClose]]:
        """Return the records with offsets in `[begin, end)`."""
        return (item for item in list(self._held.items()) if begin <= item[0] < end)

    def forget(self, end: int) -> None:
        """Drop the records before offset `end`."""
        for offset in [offset for offset in self._held if offset < end]:
            del self._held[offset]
