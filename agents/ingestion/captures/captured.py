"""A captured frame, and what is wrong with a capture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agents.ingestion.exchanges.fields import LARGEST_INT64
from agents.ingestion.exchanges.registry import EXCHANGES
from models.errors import CaptureError

FrameKind = Literal["open", "frame", "rest", "close"]
Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INT64)]
"""A time since the epoch that fits into 64 bits."""

_SHOWN = 120


class CapturedFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame as received, or the opening or the end of its connection.

    `t` is the receive time in nanoseconds. `connection` is unique within its file and exchange.
    `url` is where a `rest` answer came from, where the capture says so.
    """

    t: int
    exchange: str
    connection: str
    kind: FrameKind
    frame: str
    url: str | None = None


class Place:
    """Where in a capture a reader stands, for what it has to tell."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest = 0
        self.line = 0

    def problem(self, expected: str, was: object) -> CaptureError:
        """Return the error of this line."""
        text = was if isinstance(was, str) else repr(was)
        where = f"{self._path}, line {self.line}"
        return CaptureError(
            "unreadable_capture", f"{where}: expected {expected}, was {text[:_SHOWN]}"
        )

    def rising(self, t: int) -> int:
        """Return a receive time that does not lie before the one of the line before.

        Raises:
            CaptureError: it does, or it is no time that fits into 64 bits.
        """
        if not 0 <= t <= LARGEST_INT64:
            raise self.problem("nanoseconds since the epoch", t)
        if t < self._newest:
            raise self.problem(f"a time not before {self._newest}", t)
        self._newest = t
        return t

    def exchange(self, name: str) -> str:
        """Return the name of an exchange whose frames can be read.

        Raises:
            CaptureError: it is none.
        """
        if name not in EXCHANGES:
            raise self.problem(f"one of {', '.join(EXCHANGES)}", name)
        return name


def frame_text(payload: bytes) -> str:
    """Return a payload as text; bytes that are no UTF-8 stay, for the parser to refuse."""
    return payload.decode("utf-8", "surrogateescape")
