"""Writes captures in the project's own format."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec
import zstandard

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.jsonl import Line
from models.errors import CaptureError


class _Sink(Protocol):
    """What a file open for appending is, compressed or not."""

    def write(self, data: bytes, /) -> int: ...

    def close(self) -> None: ...


class CaptureWriter:
    """Appends frames to a file, compressed where its name ends in `.gz` or `.zst`.

    What is written is whole only after `close`; use it as a context manager.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._file = _open_to_append(path)

    def write(self, frame: CapturedFrame) -> None:
        """Append a frame.

        Raises:
            CaptureError: its text holds what UTF-8 cannot.
        """
        line = Line(
            t=frame.t,
            exchange=frame.exchange,
            frame=None if frame.kind in {"open", "close"} else frame.frame,
            c=None if frame.connection == frame.exchange else frame.connection,
            kind=frame.kind,
            url=frame.url,
        )
        try:
            encoded = self._encoder.encode(line)
        except UnicodeEncodeError as error:
            raise CaptureError(
                "unreadable_capture", f"{self._path}: expected text, was {error}"
            ) from error
        self._file.write(encoded + b"\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _open_to_append(path: Path) -> _Sink:
    if path.suffix == ".gz":
        return gzip.open(path, "ab")
    sink = path.open("ab")
    if path.suffix == ".zst":
        return zstandard.ZstdCompressor().stream_writer(sink)
    return sink
