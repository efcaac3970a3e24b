"""Derived records as flat tables: one row a market or coin, in the public field names.

Which columns there are, and their types, follows from the structs of `models/records`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa

from models.archive.correlation_cells import CorrelationCells, decode_cells
from models.archive.tick_tables import NANOSECONDS
from models.errors import RecordError
from models.markets import coin_of
from models.records.bars import Bars, Indicators, decode_bars, decode_indicators
from models.records.correlations import Returns, decode_returns
from models.records.reference import Feed, decode_feed
from models.records.spreads import Spreads, SpreadWindow, decode_spreads
from models.times import microseconds_of
from models.topics import BARS, CORRELATIONS, FEEDS, INDICATORS, RETURNS, SPREADS

_MICROSECONDS = pa.timestamp("us", "UTC")
_NUMBERS = {float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string()}
_NANOSECOND_FIELDS = ("first_trade", "last_trade")
_TIME_FIELDS = ("start", "as_of", "since", "last_frame")
_NOT_SHOWN = ("version", "partition", "windows")

Values = dict[str, list[Any]]


class DerivedTopic(msgspec.Struct, frozen=True):
    """How the records of a derived topic become rows.

    `rows` is the field that names a record's rows, None where a record is one row, `row` the
    column of it; `of_the_record` are lists that belong to the record as a whole. `order` is how
    the rows of a file are sorted, by offset in the end: rows of one series stand together.
    """

    struct: type[msgspec.Struct]
    decode: Callable[[bytes], Any]
    rows: str | None
    row: str
    order: tuple[str, ...]
    of_the_record: tuple[str, ...] = ()


_BY_MARKET = ("market", "as_of", "offset")
_BY_INTERVAL = ("market", "interval", "as_of", "offset")

DERIVED_TOPICS: dict[str, DerivedTopic] = {
    SPREADS.name: DerivedTopic(Spreads, decode_spreads, "markets", "market", _BY_MARKET),
    BARS.name: DerivedTopic(Bars, decode_bars, "markets", "market", _BY_INTERVAL),
    INDICATORS.name: DerivedTopic(Indicators, decode_indicators, "markets", "market", _BY_INTERVAL),
    RETURNS.name: DerivedTopic(
        Returns, decode_returns, "coins", "coin", ("table", "coin", "as_of", "offset"), ("masked",)
    ),
    CORRELATIONS.name: DerivedTopic(
        CorrelationCells,
        decode_cells,
        "coin_a",
        "coin_a",
        ("table", "as_of", "coin_a", "coin_b", "offset"),
    ),
    FEEDS.name: DerivedTopic(Feed, decode_feed, None, "market", _BY_MARKET),
}


class DerivedRows(msgspec.Struct, frozen=True):
    """The rows of one record by column, and its `as_of` in nanoseconds since the epoch."""

    offset: int
    count: int
    as_of: int
    values: Values


def derived_rows(topic: str, offset: int, value: bytes | None) -> DerivedRows:
    """Return the rows of a record.

    Raises:
        RecordError: `undecodable_record`.
    """
    if value is None:
        raise RecordError("undecodable_record", "expected a record with a value, was none")
    try:
        return _rows(DERIVED_TOPICS[topic], offset, value)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise _refused(topic, error) from error


def unfit(topic: str, records: Sequence[DerivedRows]) -> dict[int, RecordError]:
    """Return by offset the records whose values are none of their columns' types."""
    if _unfit(topic, records) is None:
        return {}
    errors = {record.offset: _unfit(topic, [record]) for record in records}
    return {offset: _refused(topic, error) for offset, error in errors.items() if error is not None}


def derived_table(topic: str, records: Sequence[DerivedRows]) -> pa.Table:
    """Return the rows of these records, in their order."""
    return rows_table(topic, [placed(record) for record in records])


def placed(record: DerivedRows) -> Values:
    """Return the rows of a record with the columns that say where they come from."""
    return record.values | {
        "offset": [record.offset] * record.count,
        "row": list(range(record.count)),
    }


def rows_table(topic: str, parts: Sequence[Values]) -> pa.Table:
    """Return rows given by column, `offset` and `row` among them, one part after the other.

    A column that a part does not have is null there.
    """
    schema = dict(_columns(DERIVED_TOPICS[topic]))
    labels = sorted({name for part in parts for name in part if name.startswith("windows_")})
    schema |= {name: _window_type(name) for name in labels}
    schema |= {"offset": pa.int64(), "row": pa.int32()}
    return pa.table(
        {
            name: pa.array(
                [each for part in parts for each in part.get(name) or [None] * len(part["row"])],
                kept,
            )
            for name, kept in schema.items()
        }
    )


def derived_schema(topic: str, windows: Iterable[str] = ()) -> pa.Schema:
    """Return the columns of a topic; of `spreads` with those of these windows, as `15s`."""
    columns = dict(_columns(DERIVED_TOPICS[topic]))
    labels = sorted(
        f"windows_{label}_{name}" for label in windows for name in SpreadWindow.__struct_fields__
    )
    columns |= {name: _window_type(name) for name in labels}
    return pa.schema([*columns.items(), ("offset", pa.int64()), ("row", pa.int32())])


def in_order(topic: str, table: pa.Table) -> pa.Table:
    """Return the rows as a file has them: what belongs to one series stands together."""
    order = [(name, "ascending") for name in (*DERIVED_TOPICS[topic].order, "row")]
    return table.sort_by(order).combine_chunks()


def rows_of_key(topic: str, rows: DerivedRows, keys: Iterable[str]) -> DerivedRows:
    """Return those rows of a record that are of these markets or coins."""
    wanted = set(keys)
    names = rows.values[DERIVED_TOPICS[topic].row]
    places = [i for i, name in enumerate(names) if name in wanted]
    values = {name: [column[i] for i in places] for name, column in rows.values.items()}
    return DerivedRows(rows.offset, len(places), rows.as_of, values)


def _unfit(topic: str, records: Sequence[DerivedRows]) -> Exception | None:
    try:
        derived_table(topic, records)
    except (ValueError, TypeError, OverflowError) as error:
        return error
    return None


def _refused(topic: str, error: Exception) -> RecordError:
    return RecordError("undecodable_record", f"expected a record of {topic}, {error}")


def _rows(topic: DerivedTopic, offset: int, value: bytes) -> DerivedRows:
    record = topic.decode(value)
    names = [getattr(record, topic.row)] if topic.rows is None else getattr(record, topic.rows)
    count = len(names)
    values: Values = {topic.row: names}
    if topic.row == "market":
        values["coin"] = [coin_of(name) for name in names]
        values["quote_currency"] = [name.rpartition("-")[2] for name in names]
    for name in _shown(topic):
        field = getattr(record, name)
        if name in _TIME_FIELDS:
            values[name] = [None if field is None else microseconds_of(field)] * count
        elif isinstance(field, list) and name not in topic.of_the_record:
            values[name] = _of_length(name, field, count)
        else:
            values[name] = [field] * count
    for name, field in values.items():
        if name == "reasons":
            values[name] = [list(reasons.items()) for reasons in field]
    for label, window in getattr(record, "windows", {}).items():
        for name in SpreadWindow.__struct_fields__:
            column = f"windows_{label}_{name}"
            values[column] = _of_length(column, getattr(window, name), count)
    as_of = microseconds_of(record.as_of) * 1_000
    if not -(2**63) <= as_of < 2**63:
        raise ValueError(f"expected a time of 64 bits of nanoseconds, was {record.as_of}")
    return DerivedRows(offset, count, as_of, values)


def _of_length(name: str, values: list[Any], count: int) -> list[Any]:
    if len(values) != count:
        raise ValueError(f"expected {count} values of {name}, was {len(values)}")
    return values


def _shown(topic: DerivedTopic) -> list[str]:
    hidden = (*_NOT_SHOWN, topic.rows or topic.row)
    return [name for name in topic.struct.__struct_fields__ if name not in hidden]


@cache
def _columns(topic: DerivedTopic) -> list[tuple[str, pa.DataType]]:
    hints = get_type_hints(topic.struct)
    columns = [(topic.row, pa.string())]
    if topic.row == "market":
        columns += [("coin", pa.string()), ("quote_currency", pa.string())]
    for name in _shown(topic):
        if name in _TIME_FIELDS:
            kept = _MICROSECONDS
        elif name in _NANOSECOND_FIELDS:
            kept = NANOSECONDS
        elif name in topic.of_the_record:
            kept = pa.list_(pa.string())
        else:
            kept = _type(hints[name])
        columns.append((name, kept))
    return columns


@cache
def _window_type(column: str) -> pa.DataType:
    field = column.split("_", 2)[2]
    return _type(get_type_hints(SpreadWindow)[field])


def _type(hint: Any) -> pa.DataType:
    """Return the type of a value a row for the type of a field."""
    origin = get_origin(hint)
    if origin is list:
        return _type(get_args(hint)[0])
    if origin is dict:
        return pa.map_(pa.string(), pa.string())
    if origin is Literal:
        return pa.string()
    if origin in (Union, types.UnionType):
        return _type(next(each for each in get_args(hint) if each is not type(None)))
    return _NUMBERS[hint]
