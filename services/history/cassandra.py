"""History in Cassandra: the rows of the newest days, page by page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import msgspec
import pyarrow as pa
from cassandra.query import PreparedStatement

from agents.archive.cassandra.schema import tables
from agents.archive.cassandra.session import CassandraSession, open_session
from models.archive.derived_tables import Values, rows_table
from models.archive.packing import joined, taken, unpack
from models.archive.series_cutting import MINUTE_US, Reach
from models.archive.series_rows import SECOND_US, block_of, day_of, month_of
from models.errors import StoreError
from models.markets import coin_of, exchange_of
from models.partition import partition_of
from models.records.bars import INTERVAL_SECONDS
from models.records.correlations import CorrelationBlock
from models.settings import Settings
from models.topics import BARS, CORRELATIONS, FEEDS, INDICATORS, RETURNS, SPREADS
from services.history.source import Series, Span

_US = 1_000
_DAY_US = 86_400 * SECOND_US
_RETRY_S = 5.0
# Some thousand rows, whatever a packed row holds.
_FETCHED = {SPREADS.name: 60, BARS.name: 2_000, INDICATORS.name: 2_000, RETURNS.name: 50}
_FETCHED_FEEDS = 1_000
_FETCHED_BLOCKS = 8


class _Part(msgspec.Struct, frozen=True):
    """One partition of a table, and the bounds of its clustering key, the last one exclusive."""

    key: tuple[object, ...]
    least: int
    until: int


class CassandraHistory:
    """What the agent `archive-cassandra` has written, as a `HistorySource`. Any thread may ask.

    It connects when it is asked for the first time; while that fails it tries anew every 5 s.
    """

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[Settings], CassandraSession] = open_session,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Read the keyspace of these settings; `now` is in seconds since the epoch."""
        self._settings = settings
        self._connect = connect
        self._now = now
        self._ttl_s = {table.name: table.ttl_s for table in tables(settings)}
        self._lock = threading.Lock()
        self._session: CassandraSession | None = None
        self._prepared: dict[str, PreparedStatement] = {}
        self._failure: tuple[float, StoreError] | None = None

    def span(self, series: Series) -> Span | None:
        """Return between which times nothing of a series is missing, None where none is there.

        Raises:
            StoreError: Cassandra cannot be read now.
        """
        key = series.key if series.topic == RETURNS.name else coin_of(series.key)
        reach = self._reach(series.topic, key, _source_of(series))
        return None if reach is None else Span(reach.first * _US, reach.end * _US)

    def rows(self, series: Series, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with an `as_of` in `[start, end)`, once each, by `as_of`.

        Raises:
            StoreError: Cassandra cannot be read now.
        """
        span = self.span(series)
        if span is None:
            return
        # Rounded up: every `as_of` is a whole microsecond.
        least, until = -(-max(start, span.start) // _US), -(-min(end, span.end) // _US)
        for packed in self._pages(series, least, until):
            values = joined([unpack(blob) for blob in packed])
            wanted = [
                row
                for row, as_of in enumerate(values["as_of"])
                if least <= as_of < until and _is_wanted(series, values, row)
            ]
            if len(wanted) < len(values["as_of"]):
                values = taken(values, wanted)
            if wanted:
                yield from rows_table(series.topic, [values]).combine_chunks().to_batches()

    def matrices(self, table: str, start: int, end: int) -> Iterator[list[CorrelationBlock]]:
        """Yield the last matrix of every minute that begins in `[start, end)`, as its blocks.

        Raises:
            StoreError: Cassandra cannot be read now.
        """
        reach = self._reach(CORRELATIONS.name, table, table)
        if reach is None:
            return
        first = reach.first - reach.first % MINUTE_US
        least, until = max(-(-start // _US), first), min(-(-end // _US), reach.end)
        session = self._open()
        statement = self._statement(
            session,
            "SELECT minute, as_of, blocks, packed FROM matrices "
            "WHERE table_id = ? AND day = ? AND minute >= ? AND minute < ?",
        )
        for part in _by_day(table, least, until, _US):
            found = (
                row
                for page in session.pages(
                    statement, (*part.key, part.least, part.until), _FETCHED_BLOCKS
                )
                for row in page
            )
            for _, minute in groupby(found, key=lambda row: row.minute):
                blocks = list(minute)
                newest = max(row.as_of for row in blocks)
                blocks = [row for row in blocks if row.as_of == newest]
                if len(blocks) == blocks[0].blocks:
                    yield [block_of(row.packed) for row in blocks]

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None
                self._prepared = {}

    def _reach(self, topic: str, key: str, source: str) -> Reach | None:
        """Return how far a source is written, without what is older than Cassandra keeps it."""
        session = self._open()
        statement = self._statement(
            session,
            "SELECT first_time, last_time FROM progress "
            "WHERE topic = ? AND partition = ? AND source = ?",
        )
        partition = partition_of(key, self._settings.partitions)
        rows = session.execute(statement, (topic, partition, source))
        if not rows or rows[0].first_time is None:
            return None
        first, end = rows[0].first_time, rows[0].last_time
        ttl_s = self._ttl_s["matrices" if topic == CORRELATIONS.name else topic]
        if ttl_s:
            first = max(first, round((self._now() - ttl_s) * SECOND_US))
        return Reach(first, end) if first < end else None

    def _pages(self, series: Series, least: int, until: int) -> Iterator[list[bytes]]:
        """Yield what is packed of a range of microseconds, page by page."""
        if least >= until:
            return
        session = self._open()
        cql, parts = _asked(series, least, until)
        statement = self._statement(session, cql)
        size = _FETCHED.get(series.topic, _FETCHED_FEEDS)
        for part in parts:
            parameters = (*part.key, part.least, part.until)
            for page in session.pages(statement, parameters, size):
                if page:
                    yield [row.packed for row in page]

    def _statement(self, session: CassandraSession, cql: str) -> PreparedStatement:
        statement = self._prepared.get(cql)
        if statement is None:
            statement = self._prepared[cql] = session.prepare(cql)
        return statement

    def _open(self) -> CassandraSession:
        with self._lock:
            if self._session is not None:
                return self._session
            if self._failure is not None and time.monotonic() < self._failure[0]:
                raise self._failure[1]
            try:
                self._session = self._connect(self._settings)
            except StoreError as error:
                self._failure = time.monotonic() + _RETRY_S, error
                raise
            return self._session


def _source_of(series: Series) -> str:
    """Return how `progress` names what publishes a series."""
    if series.topic == RETURNS.name:
        return series.key
    exchange = exchange_of(series.key)
    return f"{exchange}|{series.interval}" if series.interval is not None else exchange


def _is_wanted(series: Series, values: Values, row: int) -> bool:
    return not series.coins or values["coin"][row] in series.coins


def _asked(series: Series, least: int, until: int) -> tuple[str, Sequence[_Part]]:
    """Return the query of a range of microseconds, and the partitions that it goes through."""
    if series.interval is not None:
        length = INTERVAL_SECONDS[_interval(series.interval)] * SECOND_US
        cql = (
            f"SELECT packed FROM {series.topic} "  # noqa: S608 - one of two names
            "WHERE coin = ? AND interval = ? AND month = ? AND market = ? "
            "AND start >= ? AND start < ?"
        )
        return cql, _by_month(series, least - length, until - length)
    column = {SPREADS.name: "minute", RETURNS.name: "as_of", FEEDS.name: "since"}[series.topic]
    name = "table_id" if series.topic == RETURNS.name else "market"
    cql = (
        f"SELECT packed FROM {series.topic} "  # noqa: S608 - names of ours
        f"WHERE {name} = ? AND day = ? AND {column} >= ? AND {column} < ?"
    )
    if series.topic == SPREADS.name:
        least -= least % MINUTE_US
    if series.topic == FEEDS.name:
        # A change that was first told later than it was.
        return cql, _by_day(series.key, least - _DAY_US, until, 1)
    return cql, _by_day(series.key, least, until, _US)


def _by_day(key: str, least: int, until: int, unit: int) -> list[_Part]:
    """Return the days of a range; bounds are in so many microseconds."""
    parts = []
    day = day_of(least)
    while (begin := _microseconds(day)) < until:
        after = day + timedelta(days=1)
        parts.append(
            _Part(
                (key, day),
                -(-max(least, begin) // unit),
                -(-min(until, _microseconds(after)) // unit),
            )
        )
        day = after
    return parts


def _by_month(series: Series, least: int, until: int) -> list[_Part]:
    parts = []
    month = month_of(least)
    while _microseconds(month) < until:
        key = coin_of(series.key), series.interval, month, series.key
        parts.append(_Part(key, -(-least // _US), -(-until // _US)))
        month = (month + timedelta(days=31)).replace(day=1)
    return parts


def _microseconds(day: date) -> int:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(begin.timestamp()) * SECOND_US


def _interval(text: str) -> Any:
    if text not in INTERVAL_SECONDS:
        raise StoreError(f"expected an interval out of {', '.join(INTERVAL_SECONDS)}, was {text}")
    return text
