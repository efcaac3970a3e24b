"""What every REST interface here has in common: its answers, and how much it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

_SECOND = 1_000_000_000


class Answer(msgspec.Struct, frozen=True):
    """An answer; `body` is JSON."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}


class Rest(Protocol):
    """One REST interface; `path` comes without the exchange's own prefix and without a slash."""

    def answer(self, path: str, query: Mapping[str, str], now: int) -> Answer:
        """Answer a GET request; `now` is event time in nanoseconds."""
        ...


class Bucket:
    """Lets `burst` requests through at once and `rate` a second after."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst = self._left = burst
        self._rate = rate
        self._time = 0

    def take(self, now: int) -> bool:
        """Return whether a request at this time (nanoseconds) is let through."""
        gained = (now - self._time) / _SECOND * self._rate
        self._left = min(self._burst, self._left + max(0.0, gained))
        self._time = max(self._time, now)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with this content as JSON."""
    return Answer(msgspec.json.encode(content), status, headers or {})


def whole_number(text: str | None, default: int) -> int:
    """Return a number of a query; the default where it is none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else default
