"""Rows of spreads an interval apart instead of a second: the last one, or the mean of all.

The point at `t` rests on the rows with an `as_of` in `(t − interval, t]`, which are known at `t`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.history.merging import times_of

Aggregate = Literal["last", "mean"]

_LEAST = ("_min", "_trade_low")
_GREATEST = ("_max", "_trade_high")
_SEEN = "mid"


def point_schema(schema: pa.Schema, aggregate: Aggregate) -> pa.Schema:
    """Return the columns of points: of means counts are numbers with a fraction.

    `rows` is how many rows a point rests on, `rows_seen` in how many of them there is a mid.
    """
    fields = [
        (f.name, pa.float64() if aggregate == "mean" and pa.types.is_integer(f.type) else f.type)
        for f in schema
    ]
    return pa.schema([*fields, ("rows", pa.int64()), ("rows_seen", pa.int64())])


def points(
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    length_us: int,
    aggregate: Aggregate,
    progress_us: int,
) -> Iterator[pa.RecordBatch]:
    """Yield the points of rows that come by `as_of`; `schema` is that of the points.

    One whose interval ends after `progress_us`, or after the last row where that is later, is not
    finished and left out.
    """
    held: list[pa.RecordBatch] = []
    last = progress_us
    for batch in batches:
        held.append(batch)
        last = max(last, int(times_of(batch, "as_of")[-1]))
        numbers = -(-times_of(batch, "as_of") // length_us)
        if numbers[0] == numbers[-1] and len(held) == 1:
            continue
        table = pa.Table.from_batches(held)
        numbers = -(-times_of(table, "as_of") // length_us)
        begin = int(np.searchsorted(numbers, numbers[-1]))
        if begin:
            yield _points(table.slice(0, begin), numbers[:begin], schema, length_us, aggregate)
        held = table.slice(begin).to_batches()
    if held:
        table = pa.Table.from_batches(held)
        numbers = -(-times_of(table, "as_of") // length_us)
        if int(numbers[-1]) * length_us <= last:
            yield _points(table, numbers, schema, length_us, aggregate)


def _points(
    table: pa.Table,
    numbers: NDArray[np.int64],
    schema: pa.Schema,
    length_us: int,
    aggregate: Aggregate,
) -> pa.RecordBatch:
    begins = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    ends = np.append(begins[1:], len(numbers)) - 1
    newest = table.take(pa.array(ends)).combine_chunks()
    columns: dict[str, pa.Array] = {
        name: newest[name].combine_chunks() for name in table.column_names
    }
    if aggregate == "mean":
        columns |= _means(table, begins)
        columns["as_of"] = pa.array(numbers[ends] * length_us, pa.int64()).cast(
            table.schema.field("as_of").type
        )
        columns["reasons"] = _reasons_left(columns)
    seen = table[_SEEN].is_valid().to_numpy().astype(np.int64)
    columns["rows"] = pa.array(ends - begins + 1, pa.int64())
    columns["rows_seen"] = pa.array(np.add.reduceat(seen, begins), pa.int64())
    return pa.record_batch([columns[field.name] for field in schema], schema=schema)


def _means(table: pa.Table, begins: NDArray[np.int64]) -> dict[str, pa.Array]:
    """Return numbers by column: over those rows in which there is one, null where there is none."""
    found: dict[str, pa.Array] = {}
    for field in table.schema:
        if pa.types.is_boolean(field.type):
            flags = table[field.name].fill_null(False).to_numpy()
            found[field.name] = pa.array(np.logical_or.reduceat(flags, begins))
        elif pa.types.is_floating(field.type) or pa.types.is_integer(field.type):
            values = table[field.name].cast(pa.float64()).to_numpy()
            found[field.name] = _combined(field.name, values, begins)
    return found


def _combined(name: str, values: NDArray[np.float64], begins: NDArray[np.int64]) -> pa.Array:
    is_there = ~np.isnan(values)
    n = np.add.reduceat(is_there.astype(np.int64), begins)
    if name.endswith(_LEAST):
        result = np.minimum.reduceat(np.where(is_there, values, np.inf), begins)
    elif name.endswith(_GREATEST):
        result = np.maximum.reduceat(np.where(is_there, values, -np.inf), begins)
    else:
        sums = np.add.reduceat(np.where(is_there, values, 0.0), begins)
        result = sums / np.maximum(n, 1)
    return pa.array(result, mask=n == 0)


def _reasons_left(columns: dict[str, pa.Array]) -> pa.Array:
    """Return the reasons of the last rows for what is null in the means too."""
    kept: list[Sequence[tuple[str, Any]]] = []
    for row, reasons in enumerate(columns["reasons"].to_pylist()):
        kept.append(
            [
                (path, why)
                for path, why in reasons or []
                if (column := columns.get(path.replace(".", "_"))) is None
                or not column[row].is_valid
            ]
        )
    return pa.array(kept, columns["reasons"].type)
