"""The project's own format: JSON lines, one a frame.

Source: ../shared/design/api.md, "Commands".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import msgspec

from agents.ingestion.captures.captured import (
    CapturedFrame,
    FrameKind,
    Nanoseconds,
    Place,
    frame_text,
)
from agents.ingestion.exchanges.fields import UNDECODABLE


class Line(msgspec.Struct, gc=False, omit_defaults=True):
    """A line; `c` is the connection, where the file tells several apart."""

    t: Nanoseconds
    exchange: str
    frame: str | None = None
    c: str | int | None = None
    kind: FrameKind = "frame"
    url: str | None = None


_LINE = msgspec.json.Decoder(Line)


def read(source: IO[bytes], place: Place) -> Iterator[CapturedFrame]:
    """Yield the frames of a file. Without a `c` an exchange has one connection, of its name.

    Raises:
        CaptureError: a line is none, or times run backwards.
    """
    for place.line, text in enumerate(source, 1):
        if text.isspace():
            continue
        try:
            line = _LINE.decode(text)
        except UNDECODABLE as error:
            raise place.problem(f"a captured frame ({error})", frame_text(text)) from None
        if line.frame is None and line.kind in {"frame", "rest"}:
            raise place.problem(f"a `frame` with kind {line.kind}", frame_text(text))
        exchange = place.exchange(line.exchange)
        connection = exchange if line.c is None else str(line.c)
        yield CapturedFrame(
            place.rising(line.t), exchange, connection, line.kind, line.frame or "", line.url
        )
