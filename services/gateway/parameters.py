"""Query parameters that several routes have."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Depends, Query

from models.records.bars import BarInterval
from services.gateway.problems import RefusedError
from services.gateway.times import as_asked, nanoseconds_of

IntervalChoice = Annotated[BarInterval, Query(description="How long a bar is.")]

QuoteChoice = Annotated[str, Query(description="In this quote currency.")]

_EARLIEST = 0
_LATEST = 1 << 62


class Range(msgspec.Struct, frozen=True):
    """`[start, end)` in nanoseconds since the epoch; None is not given."""

    start: int | None
    end: int | None

    def steps(self, length_s: int) -> tuple[int, int]:
        """Return the numbers of the steps of a length that begin in here, as `[first, last)`."""
        length = length_s * 1_000_000_000
        start = _EARLIEST if self.start is None else max(self.start, _EARLIEST)
        end = _LATEST if self.end is None else max(self.end, _EARLIEST)
        return -(-start // length), -(-end // length)


def _range(
    start: Annotated[
        str | None, Query(description="From here on, ISO-8601 with an offset.")
    ] = None,
    end: Annotated[str | None, Query(description="Up to here, exclusive.")] = None,
) -> Range:
    found = Range(_time("start", start), _time("end", end))
    if found.start is not None and found.end is not None and found.start >= found.end:
        raise RefusedError("bad_range", f"expected start before end, was {start} and {end}")
    return found


TimeRange = Annotated[Range, Depends(_range)]
"""Which time is wanted."""


def _time(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return nanoseconds_of(as_asked(text))
    except (ValueError, OverflowError) as error:
        raise RefusedError("bad_range", f"expected {name} in ISO-8601, {error}") from error
