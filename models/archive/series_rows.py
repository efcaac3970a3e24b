"""What is written to Cassandra of the records of a derived topic: rows of its tables.

A row's write timestamp follows from what is in it, so that rows written in any order, and by
whomever, come to the same: of a minute the row with most of its seconds stays, of a bar that of the
latest offset, of a feed's change that of the earliest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from models.archive.chunks import ArchivedRecord
from models.archive.derived_tables import DerivedRows, Values, derived_rows, placed, unfit
from models.archive.packing import (
    compress,
    decompress,
    merged,
    pack,
    rows_in,
    rows_of_markets,
    taken,
    unpack,
)
from models.archive.rendering import Refused
from models.archive.series_cutting import MINUTE_US, Unit
from models.errors import RecordError, StoreError
from models.markets import coin_of
from models.records.bars import INTERVAL_SECONDS
from models.records.correlations import CorrelationBlock, decode_block
from models.times import microseconds_of
from models.topics import BARS, CORRELATIONS, FEEDS, INDICATORS, RETURNS, SPREADS

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US


class Table(msgspec.Struct, frozen=True):
    """A table: its columns in our order, the first `partition_key` of which name the partition."""

    name: str
    columns: tuple[str, ...]
    partition_key: int = 2


TABLES: dict[str, Table] = {
    SPREADS.name: Table("spreads", ("market", "day", "minute", "rows", "packed")),
    FEEDS.name: Table("feeds", ("market", "day", "since", "packed")),
    RETURNS.name: Table("returns", ("table_id", "hour", "as_of", "packed")),
    CORRELATIONS.name: Table(
        "matrices",
        ("table_id", "hour", "block", "minute", "as_of", "blocks", "packed"),
        partition_key=3,
    ),
    **{
        topic.name: Table(
            topic.name,
            ("coin", "interval", "month", "market", "start", "record_offset", "packed"),
            partition_key=3,
        )
        for topic in (BARS, INDICATORS)
    },
}
"""By topic the table of its rows."""


class SeriesRow(msgspec.Struct, frozen=True):
    """A row: the values of the table's columns, and its write timestamp in microseconds.

    Times are in milliseconds since the epoch (`since` in microseconds).
    """

    table: Table
    values: tuple[Any, ...]
    written: int

    @property
    def partition(self) -> tuple[Any, ...]:
        """Return what names its partition."""
        return (self.table.name, *self.values[: self.table.partition_key])


class Decoded(msgspec.Struct, frozen=True):
    """The records of a unit that can be read, and those that cannot; blocks with their values."""

    unit: Unit
    records: list[DerivedRows]
    blocks: list[tuple[CorrelationBlock, bytes]]
    refused: list[Refused]


def decoded(topic: str, unit: Unit) -> Decoded:
    """Return what a unit holds."""
    records: list[DerivedRows] = []
    blocks: list[tuple[CorrelationBlock, bytes]] = []
    refused: list[Refused] = []
    for record in unit.records:
        try:
            if topic == CORRELATIONS.name:
                blocks.append(_block(record))
            else:
                records.append(derived_rows(topic, record.offset, record.value))
        except RecordError as error:
            refused.append(Refused(record, error))
    errors = unfit(topic, records) if records else {}
    by_offset = {record.offset: record for record in unit.records}
    refused += [Refused(by_offset[offset], error) for offset, error in errors.items()]
    fit = [record for record in records if record.offset not in errors]
    return Decoded(unit, fit, blocks, refused)


def series_rows(
    topic: str, found: Decoded, known: Mapping[str, Values] | None = None
) -> list[SeriesRow]:
    """Return the rows of a unit; `known` is what is there of its minute already, by market."""
    if topic == SPREADS.name:
        minute = found.unit.minute
        if minute is None:
            # It only tells how far reading is.
            return []
        return [
            _minute_row(market, minute, values, (known or {}).get(market))
            for market, values in rows_of_markets(found.records).items()
        ]
    if topic == CORRELATIONS.name:
        return [_matrix_row(block, value) for block, value in found.blocks]
    make = _ROWS[topic]
    return [row for record in found.records for row in make(TABLES[topic], record)]


def minute_keys(found: Decoded) -> list[tuple[str, date, int]]:
    """Return the keys of the rows of spreads that a unit continues: market, day and minute."""
    unit = found.unit
    if not unit.continues or unit.minute is None:
        return []
    markets = dict.fromkeys(
        market for record in found.records for market in record.values["market"]
    )
    return [(market, day_of(unit.minute), unit.minute // 1_000) for market in markets]


def known_minutes(rows: Iterable[tuple[str, bytes]]) -> dict[str, Values]:
    """Return by market the rows of a minute from what is packed of them.

    Raises:
        StoreError: one is none of ours.
    """
    return {market: unpack(packed) for market, packed in rows}


def block_of(packed: bytes) -> CorrelationBlock:
    """Return a block of a matrix from what is packed of it.

    Raises:
        StoreError: it is none of ours.
    """
    try:
        return decode_block(decompress(packed))
    except msgspec.DecodeError as error:
        raise StoreError(f"expected a packed block, but {error}") from error


def day_of(microseconds: int) -> date:
    """Return the day, in UTC, of a time.

    >>> day_of(1_700_000_000_000_000)
    datetime.date(2023, 11, 14)
    """
    return datetime.fromtimestamp(microseconds // SECOND_US, UTC).date()


def hour_of(microseconds: int) -> int:
    """Return when the hour of a time began, in milliseconds since the epoch.

    >>> hour_of(1_700_000_000_000_000)
    1699999200000
    """
    return (microseconds - microseconds % HOUR_US) // 1_000


def month_of(microseconds: int) -> date:
    """Return the first day of the month of a time.

    >>> month_of(1_700_000_000_000_000)
    datetime.date(2023, 11, 1)
    """
    return day_of(microseconds).replace(day=1)


def _minute_row(market: str, minute: int, values: Values, known: Values | None) -> SeriesRow:
    rows = values if known is None else merged(known, values)
    count = rows_in(rows)
    kept = (market, day_of(minute), minute // 1_000, count, pack(rows))
    # Of the parts of a minute one holds the other, so that the longer one is to stay.
    return SeriesRow(TABLES[SPREADS.name], kept, minute + count)


def _bar_rows(table: Table, record: DerivedRows) -> Iterator[SeriesRow]:
    values = placed(record)
    end = record.as_of // 1_000
    for row, market in enumerate(values["market"]):
        interval = values["interval"][row]
        start = end - INTERVAL_SECONDS[interval] * SECOND_US
        packed = pack(taken(values, [row]))
        kept = (coin_of(market), interval, month_of(start), market, start // 1_000)
        yield SeriesRow(table, (*kept, record.offset, packed), end + record.offset)


def _return_rows(table: Table, record: DerivedRows) -> Iterator[SeriesRow]:
    if record.count:
        as_of = record.as_of // 1_000
        name = record.values["table"][0]
        kept = (name, hour_of(as_of), as_of // 1_000, pack(placed(record)))
        yield SeriesRow(table, kept, as_of + record.offset)


def _feed_rows(table: Table, record: DerivedRows) -> Iterator[SeriesRow]:
    (since,), (market,) = record.values["since"], record.values["market"]
    kept = (market, day_of(since), since, pack(placed(record)))
    # The record that brought the change is to stay, not one that only tells it again.
    yield SeriesRow(table, kept, since - record.offset)


def _matrix_row(block: CorrelationBlock, value: bytes) -> SeriesRow:
    as_of = microseconds_of(block.as_of)
    minute = as_of - as_of % MINUTE_US
    place = (block.table, hour_of(minute), block.block, minute // 1_000)
    kept = (*place, as_of // 1_000, block.blocks, compress(value))
    return SeriesRow(TABLES[CORRELATIONS.name], kept, as_of)


def _block(record: ArchivedRecord) -> tuple[CorrelationBlock, bytes]:
    value = record.value or b""
    try:
        block = decode_block(value)
        for name in ("matrix", "n", "n_rest", "n_effective", "why"):
            block.column(name)
    except (msgspec.DecodeError, ValueError) as error:
        raise RecordError(
            "undecodable_record", f"expected a block of correlations, {error}"
        ) from error
    return block, value


_ROWS: dict[str, Callable[[Table, DerivedRows], Iterator[SeriesRow]]] = {
    BARS.name: _bar_rows,
    INDICATORS.name: _bar_rows,
    RETURNS.name: _return_rows,
    FEEDS.name: _feed_rows,
}
