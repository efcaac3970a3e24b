"""What a place that keeps history can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import msgspec
import pyarrow as pa

Topic = Literal["spreads", "bars", "indicators", "returns", "feeds"]


class Series(msgspec.Struct, frozen=True):
    """One series of rows.

    `key` is the market, for `returns` the table's id. `interval` is that of bars and indicators;
    of `returns` only the rows of these `coins` are wanted where some are given.
    """

    topic: Topic
    key: str
    interval: str | None = None
    coins: tuple[str, ...] = ()


class Span(msgspec.Struct, frozen=True):
    """A place holds every row with `start` <= `as_of` < `end`, if there was one; nanoseconds."""

    start: int
    end: int


class HistorySource(Protocol):
    """The log, Cassandra or the Parquet archive.

    Methods raise StoreError where the place cannot be read now.
    """

    def span(self, series: Series) -> Span | None:
        """Return between which times nothing of a series is missing, None where none is there."""
        ...

    def rows(self, series: Series, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with an `as_of` in `[start, end)`, once each, by `as_of`.

        Times are nanoseconds since the epoch; columns those of `models/archive/derived_tables.py`.
        Memory does not grow with the range.
        """
        ...


class StandIns(HistorySource, Protocol):
    """Bars that stand in where all other places say less."""

    def joined_from(self, series: Series, until: int | None) -> int | None:
        """Return where the days begin that join up to the first row of all others (ns).

        None where none do; `until` is None where the others have no row.
        """
        ...
