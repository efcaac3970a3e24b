"""Bare frames: one a line, without receive times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from agents.ingestion.captures.captured import CapturedFrame, Place, frame_text
from agents.ingestion.captures.shapes import shape_of


def read(source: IO[bytes], place: Place) -> Iterator[CapturedFrame]:
    """Yield the frames of a file.

    The receive time of a frame is the newest time that the file's frames carry up to it; before
    any, the first to come. A line that looks like no exchange's is of the exchange of the line
    before it; at the start, of the first to come.

    Raises:
        CaptureError: no line of the file carries a time.
    """
    newest = 0
    exchange = ""
    # Those at the start wait for a first time and a first exchange.
    waiting: list[CapturedFrame] = []
    for place.line, line in enumerate(source, 1):
        text = frame_text(line.strip())
        if not text:
            continue
        shape = shape_of(text)
        if shape:
            exchange = shape.exchange
            newest = max(newest, shape.own_time)
        frame = CapturedFrame(newest, exchange, exchange, shape.kind if shape else "frame", text)
        if not (newest and exchange):
            waiting.append(frame)
            continue
        for early in waiting:
            name = early.exchange or exchange
            yield CapturedFrame(newest, name, name, early.kind, early.frame)
        waiting.clear()
        yield frame
    if waiting:
        raise place.problem("a frame with a time of its own", "none in the whole file")
