"""Which rows of a series a request means: of spreads, feeds and raw ticks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pyarrow as pa

from agents.spread.tables import TABLES
from models.archive.derived_tables import derived_schema
from models.archive.tick_tables import ArchivedBurst, Kind, tick_table
from services.gateway.history.aggregate import Aggregate, point_schema, points
from services.gateway.history.places import GatewayHistory
from services.gateway.history.rows import (
    HistoryRows,
    Objects,
    Place,
    conformed,
    place_by,
    plain_objects,
)
from services.gateway.memory.quotes import flag_names
from services.gateway.memory.spreads import SpreadSecond
from services.history.log import NEWEST, MemoryHistory
from services.history.merging import times_of
from services.history.source import Series

SpreadInterval = Literal["1s", "10s", "1m", "5m", "1h"]
SECONDS: dict[SpreadInterval, int] = {"1s": 1, "10s": 10, "1m": 60, "5m": 300, "1h": 3_600}

_SECOND = 1_000_000_000
_TOLD_LATE = 60 * _SECOND
"""So long after it a change of a feed's status is told at most."""

_NOT_SHOWN = {
    "spreads": ("offset", "row"),
    "feeds": ("offset", "row", "quote_currency"),
}
_WINDOWS = tuple(window.label for window in TABLES.windows)
_NO_BURSTS: list[ArchivedBurst] = []


class Wanted(msgspec.Struct, frozen=True):
    """`[start, end)` of a market, nanoseconds since the epoch."""

    market: str
    start: int
    end: int

    def behind(self, after: Place | None) -> int:
        """Return where to begin in order to see everything behind a place, but for its time."""
        return self.start if after is None else max(self.start, after[0] + 1)


def range_of(market: str, start: int | None, end: int | None) -> Wanted:
    """Return a range; without `start` from the beginning, without `end` to the newest."""
    return Wanted(market, start or 0, NEWEST if end is None else end)


class SpreadSeries(msgspec.Struct, frozen=True):
    """Spreads of a market; `held` are the seconds in memory, which begin at `begins` (ns)."""

    history: GatewayHistory
    wanted: Wanted
    interval: SpreadInterval
    aggregate: Aggregate
    held: tuple[SpreadSecond, ...]
    begins: int | None
    progress: int

    def open(self, after: Place | None) -> HistoryRows:
        """Return the rows behind a place."""
        length = SECONDS[self.interval] * _SECOND
        # Points are as of the end of their interval.
        first = -(-self.wanted.behind(after) // length)
        last = -(-self.wanted.end // length) - 1
        memory = MemoryHistory([(each.place.offset, each.value) for each in self.held], self.begins)
        series = Series("spreads", self.wanted.market)
        start, end = self.wanted.behind(after), self.wanted.end
        if length > _SECOND:
            start, end = (first - 1) * length + 1, last * length + 1
        found = self.history.series.read(series, start, max(start, end), memory)
        schema = public_schema("spreads")
        rows: Iterator[pa.RecordBatch] = (conformed(batch, schema) for batch in found.rows)
        about: dict[str, Any] = {}
        if length > _SECOND:
            schema = point_schema(schema, self.aggregate)
            progress = self.progress // 1_000
            rows = points(rows, schema, length // 1_000, self.aggregate, progress)
            about = {
                "interval": self.interval,
                "aggregate": self.aggregate,
                "seconds": SECONDS[self.interval],
            }

        def place_of(batch: pa.RecordBatch, row: int) -> Place:
            return (-(-place_by("as_of")(batch, row)[0] // length) * length,)

        return HistoryRows(
            schema, rows, place_of, spread_rows, found.gaps, found.complete_from, about
        )


class FeedSeries(msgspec.Struct, frozen=True):
    """The changes of a feed's status: the first row of each; `since` is their time."""

    history: GatewayHistory
    wanted: Wanted

    def open(self, after: Place | None) -> HistoryRows:
        """Return the rows behind a place."""
        start = self.wanted.behind(after)
        until = min(self.wanted.end + _TOLD_LATE, NEWEST)
        found = self.history.series.read(Series("feeds", self.wanted.market), start, until)
        schema = public_schema("feeds")
        rows = _changes((conformed(b, schema) for b in found.rows), start, self.wanted.end)
        return HistoryRows(
            schema, rows, place_by("since"), feed_rows, found.gaps, found.complete_from
        )


class TickSeries(msgspec.Struct, frozen=True):
    """The raw ticks of a market, by time, offset and row; `at_once` are handed on together."""

    history: GatewayHistory
    kind: Kind
    wanted: Wanted
    at_once: int

    def open(self, after: Place | None) -> HistoryRows:
        """Return the rows from the time of a place on."""
        start = self.wanted.start if after is None else max(self.wanted.start, after[0])
        found = self.history.ticks.read(
            self.kind, self.wanted.market, start, self.wanted.end, self.at_once
        )
        schema = tick_table(self.kind, _NO_BURSTS).schema
        rows = (conformed(batch, schema) for batch in found.rows)
        return HistoryRows(schema, rows, _tick_place, tick_rows, found.gaps, found.complete_from)


def public_schema(topic: Literal["spreads", "feeds"]) -> pa.Schema:
    """Return the columns of a series: what says where in the log a row came from is left out."""
    schema = derived_schema(topic, _WINDOWS if topic == "spreads" else ())
    return pa.schema([field for field in schema if field.name not in _NOT_SHOWN[topic]])


def spread_rows(batch: pa.RecordBatch) -> Objects:
    """Return rows as `/v1/spreads` has them: windows are objects within."""
    shown = []
    for row in plain_objects(batch):
        windows = {
            label: {
                name.removeprefix(f"windows_{label}_"): row.pop(name)
                for name in [each for each in row if each.startswith(f"windows_{label}_")]
            }
            for label in _WINDOWS
        }
        # An agent that has not had this window then.
        there = {label: each for label, each in windows.items() if each["n"] is not None}
        counts = {name: row.pop(name) for name in ("rows", "rows_seen") if name in row}
        stale, reasons = row.pop("stale"), row.pop("reasons")
        shown.append(row | {"windows": there} | counts | {"stale": stale, "reasons": reasons})
    return shown


def feed_rows(batch: pa.RecordBatch) -> Objects:
    """Return rows as `/v1/feeds` has them, as they stood when they were told."""
    return [
        row
        | {
            "stale": row["status"] in ("stale", "gap", "down"),
            "reasons": {
                name: "warming"
                for name in ("last_frame", "last_price", "clock_skew_ms")
                if row[name] is None
            },
        }
        for row in plain_objects(batch)
    ]


def tick_rows(batch: pa.RecordBatch) -> Objects:
    """Return ticks with what is particular about them in words."""
    shown = plain_objects(batch)
    for row in shown:
        row["flags"] = flag_names(row["flags"])
        if "side" in row:
            row["side"] = "buy" if row["side"] > 0 else "sell"
    return shown


def _tick_place(batch: pa.RecordBatch, row: int) -> Place:
    return (
        batch.column("time")[row].value,
        batch.column("offset")[row].as_py(),
        batch.column("row")[row].as_py(),
    )


def _changes(batches: Iterator[pa.RecordBatch], start: int, end: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows whose `since` lies in `[start, end)` and is later than that of those before.

    `since` is in microseconds.
    """
    newest = -(-start // 1_000) - 1
    for batch in batches:
        since = times_of(batch, "since")
        chosen = []
        for row, time in enumerate(since.tolist()):
            if newest < time and time * 1_000 < end:
                chosen.append(row)
                newest = time
        if chosen:
            yield batch.take(pa.array(chosen))
