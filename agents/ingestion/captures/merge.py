"""Several captures as one, in the order of their receive times."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.detect import read_capture


def merge_captures(paths: Sequence[Path]) -> Iterator[CapturedFrame]:
    """Yield the frames of all files by receive time; equal times in the order of the files given.

    The connections of a file are its own: their names begin with its position. A connection that
    is open at the end of its file closes there, with the file's last time.

    Raises:
        CaptureError: a file cannot be read.
    """
    files = [_with_closes(f"{position}", path) for position, path in enumerate(paths)]
    return heapq.merge(*files, key=lambda frame: frame.t)


def _with_closes(prefix: str, path: Path) -> Iterator[CapturedFrame]:
    opened: dict[str, CapturedFrame] = {}
    last = 0
    for frame in read_capture(path):
        connection = f"{prefix}:{frame.exchange}:{frame.connection}"
        named = msgspec.structs.replace(frame, connection=connection)
        last = frame.t
        if frame.kind == "close":
            opened.pop(connection, None)
        else:
            opened.setdefault(connection, named)
        yield named
    for frame in opened.values():
        yield CapturedFrame(last, frame.exchange, frame.connection, "close", "")
