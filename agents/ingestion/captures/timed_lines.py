"""Lines of `<receive time in nanoseconds> <payload>`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from agents.ingestion.captures.captured import CapturedFrame, Place, frame_text
from agents.ingestion.captures.shapes import shape_of


def read(source: IO[bytes], place: Place) -> Iterator[CapturedFrame]:
    """Yield the frames of a file.

    A payload that looks like no exchange's is of the exchange of the line before it; at the
    start, of the first to come.

    Raises:
        CaptureError: a line is none, times run backwards, or no payload tells the exchange.
    """
    exchange = ""
    waiting: list[tuple[int, str]] = []
    for place.line, line in enumerate(source, 1):
        stamp, _, payload = line.rstrip(b"\r\n").partition(b" ")
        if not (stamp.isdigit() and payload):
            raise place.problem("nanoseconds and a payload", frame_text(line))
        t, text = place.rising(_integer(stamp, place)), frame_text(payload)
        shape = shape_of(text)
        if shape is None and not exchange:
            waiting.append((t, text))
            continue
        exchange = shape.exchange if shape else exchange
        for early_t, early_text in waiting:
            yield CapturedFrame(early_t, exchange, exchange, "frame", early_text)
        waiting.clear()
        yield CapturedFrame(t, exchange, exchange, shape.kind if shape else "frame", text)
    if waiting:
        raise place.problem("a frame of a known exchange", "none in the whole file")


def _integer(digits: bytes, place: Place) -> int:
    # Python refuses to read numbers of thousands of digits.
    if len(digits) > 20:
        raise place.problem("nanoseconds since the epoch", digits)
    return int(digits)
