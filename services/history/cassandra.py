"""History in Cassandra: the rows of the newest days, page by page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import merge
from itertools import groupby
from typing import Any

import pyarrow as pa
from cassandra.query import PreparedStatement

from agents.archive.cassandra.schema import tables
from agents.archive.cassandra.session import CassandraSession, open_session
from models.archive.derived_tables import Values, rows_table
from models.archive.packing import joined, taken, unpack
from models.archive.series_cutting import MINUTE_US, Reach
from models.archive.series_rows import SECOND_US, block_of
from models.errors import StoreError
from models.markets import coin_of, exchange_of
from models.partition import partition_of
from models.records.correlations import CorrelationBlock
from models.settings import Settings
from models.topics import BARS, CORRELATIONS, INDICATORS, RETURNS, SPREADS
from services.history.cassandra_partitions import Part, asked, hours_of
from services.history.source import Series, Span

_US = 1_000
_RETRY_S = 5.0
# Some thousand rows, whatever a packed row holds.
_FETCHED = {SPREADS.name: 60, BARS.name: 2_000, INDICATORS.name: 2_000, RETURNS.name: 50}
_FETCHED_FEEDS = 1_000
_FETCHED_BLOCKS = 8


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
            "WHERE table_id = ? AND hour = ? AND block = ? AND minute >= ? AND minute < ?",
        )
        for part in hours_of(table, least, until):
            keys = self._block_keys(session, part)
            by_block = [
                _rows(session.pages(statement, key, -(-_FETCHED_BLOCKS // len(keys))))
                for key in keys
            ]
            by_minute = groupby(merge(*by_block, key=_minute), key=_minute)
            for _, minute in by_minute:
                blocks = list(minute)
                newest = max(row.as_of for row in blocks)
                blocks = [row for row in blocks if row.as_of == newest]
                if len(blocks) == blocks[0].blocks:
                    yield [block_of(row.packed) for row in blocks]

    def _block_keys(self, session: CassandraSession, part: Part) -> list[tuple[object, ...]]:
        """Return what to ask for each block of an hour's matrices; block 0 tells how many."""
        statement = self._statement(
            session,
            "SELECT MAX(blocks) AS blocks FROM matrices "
            "WHERE table_id = ? AND hour = ? AND block = 0 AND minute >= ? AND minute < ?",
        )
        (row,) = session.execute(statement, (*part.key, part.least, part.until))
        return [
            (*part.key, block, part.least, part.until)
            for block in range(0 if row.blocks is None else row.blocks)
        ]

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
        cql, parts = asked(series, least, until)
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


def _rows(pages: Iterator[list[Any]]) -> Iterator[Any]:
    return (row for page in pages for row in page)


def _minute(row: Any) -> datetime:
    minute: datetime = row.minute
    return minute


def _source_of(series: Series) -> str:
    """Return how `progress` names what publishes a series."""
    if series.topic == RETURNS.name:
        return series.key
    exchange = exchange_of(series.key)
    return f"{exchange}|{series.interval}" if series.interval is not None else exchange


def _is_wanted(series: Series, values: Values, row: int) -> bool:
    return not series.coins or values["coin"][row] in series.coins
