"""Captures of crossbook: `CBCAP1 exchange SYMBOL wall_ns`, then `<n> <length>`, payload, newline.

Source: the capture files that crossbook publishes (MIT), which say no more than this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from agents.ingestion.captures.captured import CapturedFrame, Place, frame_text

MAGIC = b"CBCAP1 "
_HEADER = re.compile(rb"CBCAP1 (\S+) (\S+) (\d{1,19})\r?\n")
_RECORD = re.compile(rb"(\d{1,19}) (\d{1,10})\r?\n")
_DAY_NS = 86_400 * 1_000_000_000
_LONGEST_HEADER = 200


def read(source: IO[bytes], place: Place) -> Iterator[CapturedFrame]:
    """Yield the frames of a file.

    Some files stamp frames by a monotonic clock: where the first stamp lies more than a day
    before the header's wall clock, the stamps count from there.

    Raises:
        CaptureError: a header is none, the file ends within a record, or times run backwards.
    """
    place.line = 1
    line = source.readline(_LONGEST_HEADER)
    header = _HEADER.fullmatch(line)
    if header is None:
        raise place.problem("`CBCAP1 exchange SYMBOL nanoseconds`", frame_text(line))
    exchange = place.exchange(frame_text(header[1]))
    wall = int(header[3])
    offset: int | None = None
    place.line = 2
    while line := source.readline(_LONGEST_HEADER):
        record = _RECORD.fullmatch(line)
        if record is None:
            raise place.problem("`nanoseconds length`", frame_text(line))
        stamp, length = int(record[1]), int(record[2])
        if offset is None:
            offset = wall - stamp if stamp < wall - _DAY_NS else 0
        t = place.rising(stamp + offset)
        payload = source.read(length)
        if source.read(1) != b"\n":
            raise place.problem(f"a payload of {length} bytes and a newline", frame_text(payload))
        yield CapturedFrame(t, exchange, exchange, "frame", frame_text(payload))
        place.line += 2 + payload.count(b"\n")
