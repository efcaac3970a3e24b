"""Reads a capture of any format that the project knows, by what its first line looks like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from agents.ingestion.captures import bare, cbcap, jsonl, timed_lines
from agents.ingestion.captures.captured import CapturedFrame, Place
from agents.ingestion.captures.compressed import BROKEN, open_decompressed

Reader = Callable[[IO[bytes], Place], Iterator[CapturedFrame]]

_TIMED = re.compile(rb"\d+ ")
# No exchange's frame begins with one of these.
_OWN_KEY = re.compile(rb'\s*\{\s*"(?:t|exchange|frame|c|kind|url)"\s*:')
_PEEKED = 4_096


def format_of(start: bytes) -> Reader:
    """Return the reader of a file that starts with these bytes."""
    if start.startswith(cbcap.MAGIC):
        return cbcap.read
    if _TIMED.match(start):
        return timed_lines.read
    if _OWN_KEY.match(start):
        return jsonl.read
    return bare.read


def read_capture(path: Path) -> Iterator[CapturedFrame]:
    """Yield the frames of a file, in its order; nothing is read before it is asked for.

    Raises:
        CaptureError: the file cannot be read: which line, what was expected and what came.
    """
    place = Place(path)
    try:
        with open_decompressed(path) as source:
            start = source.peek(_PEEKED)
            yield from format_of(start)(source, place)
    except BROKEN as error:
        raise place.problem("a whole file", error) from error
