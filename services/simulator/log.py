"""What the simulator sent: a log of every tick of every connection, and counters.

A line of the log is what one connection was sent at one time: JSON with the ticks as arrays. A tick
is `accepted` when its connection's socket took it; what the network then did is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec

from models.errors import CaptureError
from services.simulator.exchanges.session import SentTick

_BUFFER = 1 << 20


class LogLine(msgspec.Struct, gc=False):
    """What a connection was sent at `t` (nanoseconds); its name is unique within the log."""

    t: int
    exchange: str
    connection: str
    accepted: bool
    ticks: list[SentTick]


class SentLog:
    """Appends to a log; what is written is whole only after `close`."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb", buffering=_BUFFER)
        self._encoder = msgspec.json.Encoder()

    def write(self, line: LogLine) -> None:
        """Append a line."""
        self._file.write(self._encoder.encode(line) + b"\n")

    def flush(self) -> None:
        """Hand everything to the file system, so that a reader sees it."""
        self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> SentLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_log(path: Path) -> Iterator[LogLine]:
    """Yield the lines of a log; a last line that is not finished ends it.

    Raises:
        CaptureError: a line is none.
    """
    decoder = msgspec.json.Decoder(LogLine)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise CaptureError(
                    "unreadable_log", f"{path}, line {number}: expected a log line, {error}"
                ) from error


class Counters(msgspec.Struct):
    """Of one exchange since the start."""

    open: int = 0
    opened: int = 0
    refused: int = 0
    slow: int = 0
    writes: int = 0
    frames: int = 0
    bytes: int = 0
    ticks: int = 0
    lost_ticks: int = 0

    def shown(self) -> dict[str, Any]:
        """Return the counters by name."""
        return msgspec.structs.asdict(self)
