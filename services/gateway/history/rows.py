"""Rows of history: record batches of one schema, and the objects that JSON shows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from models.times import iso_microseconds
from services.gateway.history.formats import texts_of_times
from services.gateway.items import Figures
from services.history.source import Span

Objects = list[dict[str, Any]]
Place = tuple[int, ...]
"""Where a row stands among those of its series; rows are in the order of their places."""


class HistoryRows(msgspec.Struct, frozen=True):
    """Rows to be read once, all with `schema`.

    `place_of` gives the place of a batch's row, `objects` what JSON shows of a batch. `gaps` are
    the times of which something is missing, `complete_from` is where the oldest begins (ns).
    `about` says how the rows were made, for JSON and for headers.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    place_of: Callable[[pa.RecordBatch, int], Place]
    objects: Callable[[pa.RecordBatch], Objects]
    gaps: list[Span]
    complete_from: int | None
    about: dict[str, Any] = {}

    def close(self) -> None:
        """Read no more."""
        close = getattr(self.batches, "close", None)
        if close is not None:
            close()


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with these columns alone; one that it does not have is null."""
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.record_batch(columns, schema=schema)


def batch_of(figures: Sequence[Figures], schema: pa.Schema) -> pa.RecordBatch:
    """Return objects of the public interface, one a row, with the columns of this schema."""
    columns = []
    for field in schema:
        values = [each[field.name] for each in figures]
        if pa.types.is_map(field.type):
            columns.append(pa.array([list(each.items()) for each in values], field.type))
        elif pa.types.is_timestamp(field.type):
            columns.append(pa.array(values, pa.string()).cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.record_batch(columns, schema=schema)


def place_by(name: str) -> Callable[[pa.RecordBatch, int], Place]:
    """Return what gives a row's place by a column of timestamps, in nanoseconds."""

    def place_of(batch: pa.RecordBatch, row: int) -> Place:
        column = batch.column(name)
        unit = 1_000 if column.type.unit == "us" else 1
        return (column[row].value * unit,)

    return place_of


def plain_objects(batch: pa.RecordBatch) -> Objects:
    """Return one object a row; times are ISO-8601, at most microseconds, maps are objects."""
    columns = {name: _values(batch.column(name)) for name in batch.schema.names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def gaps_of(spans: list[Span]) -> list[list[str]]:
    """Return gaps as the public interface shows them."""
    return [[iso_microseconds(span.start), iso_microseconds(span.end)] for span in spans]


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        if column.type.unit == "ns":
            micro = pa.timestamp("us", "UTC")
            column = column.cast(pa.int64())
            column = pa.compute.floor_temporal(
                column.cast(pa.timestamp("ns", "UTC")), unit="microsecond"
            ).cast(micro)
        return list(texts_of_times(column))
    if pa.types.is_map(column.type):
        return [dict(each or ()) for each in column.to_pylist()]
    return list(column.to_pylist())
