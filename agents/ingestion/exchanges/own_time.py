"""What the parsers of Coinbase and Kraken share: their frames carry a time of their own."""

from __future__ import annotations

from agents.ingestion.exchanges.events import ParsedFrame
from agents.ingestion.exchanges.memory import AHEAD_LIMIT_NS, ExchangeMemory
from models.errors import FrameError


class OwnTimeConnection:
    """A connection whose frame time is the exchange's own; see `Connection`."""

    def __init__(self, memory: ExchangeMemory) -> None:
        self._memory = memory

    def receive_rest(self, receive_time: int, body: str, url: str | None) -> ParsedFrame:
        """Refuse a REST answer: the books of this exchange need none.

        Raises:
            FrameError: always.
        """
        raise FrameError(
            "unknown_message",
            f"expected no REST answer, was {body[:80]!r} of {url} at {receive_time}",
        )

    def frame_time_without_own(self, receive_time: int) -> int:
        """Return `receive_time` less the skew."""
        return receive_time - self._memory.skew.at(receive_time)

    def _frame_time(self, receive_time: int, own_time: int) -> int:
        """Return the frame time of a frame with this time of its own ; 0 says it has none."""
        if not own_time:
            return self.frame_time_without_own(receive_time)
        self._memory.observe(receive_time, own_time)
        return min(own_time, receive_time + AHEAD_LIMIT_NS)

    def _place(self, receive_time: int, own_time: int, frame_time: int) -> tuple[int, int]:
        """Return the time and the flags of a tick with this time of its own (0: none)."""
        return self._memory.place(receive_time, own_time) if own_time else (frame_time, 0)
