"""The tables of the archive's keyspace, as the agent writes them. Its methods wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
from cassandra.query import BatchStatement, BatchType, PreparedStatement

from agents.archive.cassandra.schema import check_schema, migrations
from agents.archive.cassandra.session import CassandraSession, Request, open_session
from models.archive.derived_tables import Values
from models.archive.series_cutting import Reach, Unit
from models.archive.series_rows import (
    Decoded,
    SeriesRow,
    Table,
    known_minutes,
    minute_keys,
    series_rows,
)
from models.settings import Settings

_BATCH_ROWS = 100
_BATCH_BYTES = 256 * 1024
_ROW_BYTES = 64


class Progress(msgspec.Struct, frozen=True):
    """Up to where a topic partition is written: its first offset that is not, and its sources."""

    next_offset: int
    reaches: dict[str, Reach]


class Written(msgspec.Struct, frozen=True):
    """How much was written: rows and bytes of packed rows."""

    rows: int
    size: int


class SeriesStore:
    """Cassandra, once it answers; every method raises StoreError while it does not.

    Whatever is written may be written again, by anyone and in any order.
    """

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[Settings], CassandraSession] = open_session,
    ) -> None:
        """Connect when something is wanted for the first time."""
        self._settings = settings
        self._connect = connect
        self._session: CassandraSession | None = None
        self._prepared: dict[str, PreparedStatement] = {}

    def progress(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Progress]:
        """Return how far these topic partitions are written; without those of which nothing is."""
        places = list(places)
        statement = self._statement(
            "SELECT source, next_offset, first_time, last_time FROM progress "
            "WHERE topic = ? AND partition = ?"
        )
        answers = self._open().execute_all([(statement, place) for place in places])
        return {
            place: Progress(
                rows[0].next_offset,
                {
                    row.source: Reach(row.first_time, row.last_time)
                    for row in rows
                    if row.source is not None
                },
            )
            for place, rows in zip(places, answers, strict=True)
            if rows
        }

    def tell(
        self, topic: str, partition: int, next_offset: int, reaches: Mapping[str, Reach]
    ) -> None:
        """Write down how far a topic partition is written, and every source of it.

        In one batch of one partition, so that of two writers the later one counts as a whole.
        """
        batch = _batch()
        position = "INSERT INTO progress (topic, partition, next_offset) VALUES (?, ?, ?)"
        batch.add(self._statement(position), (topic, partition, next_offset))
        source = self._statement(
            "INSERT INTO progress (topic, partition, source, first_time, last_time) "
            "VALUES (?, ?, ?, ?, ?)"
        )
        for name, reach in reaches.items():
            batch.add(source, (topic, partition, name, reach.first, reach.end))
        self._open().execute(batch)

    def write(self, topic: str, units: Sequence[Decoded]) -> Written:
        """Write the rows of units; one that continues a minute alone."""
        rows = [
            row for unit in units for row in series_rows(topic, unit, self._known_minutes(unit))
        ]
        self._open().execute_all(self._requests(rows))
        return Written(len(rows), sum(len(row.values[-1]) for row in rows))

    def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _known_minutes(self, unit: Decoded) -> dict[str, Values]:
        keys = minute_keys(unit)
        if not keys:
            return {}
        statement = self._statement(
            "SELECT market, packed FROM spreads WHERE market = ? AND day = ? AND minute = ?"
        )
        answers = self._open().execute_all([(statement, key) for key in keys])
        return known_minutes((row.market, row.packed) for rows in answers for row in rows)

    def _requests(self, rows: Iterable[SeriesRow]) -> Iterator[Request]:
        """Yield the writes: rows of one partition together, in batches of a bounded size."""
        by_partition: dict[tuple[object, ...], list[SeriesRow]] = {}
        for row in rows:
            by_partition.setdefault(row.partition, []).append(row)
        for together in by_partition.values():
            for part in _bounded(together):
                statement = self._statement(_insert(part[0].table))
                if len(part) == 1:
                    yield statement, (*part[0].values, part[0].written)
                    continue
                batch = _batch()
                for row in part:
                    batch.add(statement, (*row.values, row.written))
                yield batch, ()

    def _open(self) -> CassandraSession:
        if self._session is None:
            session = self._connect(self._settings)
            try:
                check_schema(session, migrations())
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def _statement(self, cql: str) -> PreparedStatement:
        statement = self._prepared.get(cql)
        if statement is None:
            statement = self._prepared[cql] = self._open().prepare(cql)
        return statement


def units_at_once(units: Iterable[Unit], largest_bytes: int, most: int) -> list[Unit]:
    """Return the first of these units, as many as can be written together; at least one.

    One that continues a minute needs what is written of it, so it comes first or not at all.
    """
    chosen: list[Unit] = []
    size = 0
    for unit in units:
        size += unit.size
        if chosen and (unit.continues or size > largest_bytes or len(chosen) >= most):
            break
        chosen.append(unit)
    return chosen


def _insert(table: Table) -> str:
    columns = ", ".join(table.columns)
    marks = ", ".join("?" for _ in table.columns)
    # The names are our own.
    return f"INSERT INTO {table.name} ({columns}) VALUES ({marks}) USING TIMESTAMP ?"  # noqa: S608


def _batch() -> BatchStatement:
    batch = BatchStatement(batch_type=BatchType.UNLOGGED)
    batch.is_idempotent = True
    return batch


def _bounded(rows: Sequence[SeriesRow]) -> Iterator[list[SeriesRow]]:
    part: list[SeriesRow] = []
    size = 0
    for row in rows:
        size += len(row.values[-1]) + _ROW_BYTES
        if part and (size > _BATCH_BYTES or len(part) >= _BATCH_ROWS):
            yield part
            part, size = [], len(row.values[-1]) + _ROW_BYTES
        part.append(row)
    if part:
        yield part
