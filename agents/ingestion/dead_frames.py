"""Frames that could not be read: all are counted, few are kept whole."""

from __future__ import annotations

from collections import Counter

from models.errors import FrameError
from models.records.dead_letters import Origin, dead_letter

_HOUR = 3_600 * 1_000_000_000
_KEPT_AN_HOUR = 2


class DeadFrames:
    """The dead frames of one exchange; the first two of each reason an hour are kept as letters."""

    def __init__(self, exchange: str) -> None:
        """Nothing is dead yet."""
        self.counts: Counter[str] = Counter()
        self.last_detail: dict[str, str] = {}
        self._exchange = exchange
        self._kept: dict[str, list[int]] = {}
        self._letters: list[bytes] = []

    def add(self, error: FrameError, receive_time: int, frame: str) -> None:
        """Count a frame, and keep it when few of its kind were kept in the last hour."""
        self.counts[error.reason] += 1
        self.last_detail[error.reason] = error.detail
        kept = self._kept.setdefault(error.reason, [])
        kept[:] = [time for time in kept if receive_time - time < _HOUR]
        if len(kept) >= _KEPT_AN_HOUR:
            return
        kept.append(receive_time)
        origin = Origin(exchange=self._exchange, receive_time=receive_time)
        self._letters.append(
            dead_letter(error.reason, error.detail, origin, None, _bytes_of(frame))
        )

    def drain(self) -> list[bytes]:
        """Hand out, once, the letters to send."""
        letters, self._letters = self._letters, []
        return letters


def _bytes_of(frame: str) -> bytes:
    """Return a frame as it came, also where it was no UTF-8 or names half a surrogate pair."""
    try:
        return frame.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return frame.encode("utf-8", "surrogatepass")
