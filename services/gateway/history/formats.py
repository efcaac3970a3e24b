"""In which form a client wants rows: negotiated by `Accept`, and record batches as bytes of it.

CSV is RFC 4180, Parquet has a row group every 16,384 rows, Arrow is the stream of its IPC format
(https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format).
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable
from http import HTTPStatus
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from fastapi import Request

from services.gateway.problems import RefusedError

Form = Literal["json", "csv", "parquet", "arrow"]

MEDIA_TYPES: dict[Form, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}

Bytes = Generator[bytes, None, None]

_ROW_GROUP_ROWS = 16_384


class NotAcceptableError(RefusedError):
    """A client takes nothing that there is."""

    status = HTTPStatus.NOT_ACCEPTABLE


def chosen_form(request: Request) -> Form:
    """Return the form that a client would like best; of several JSON first.

    Raises:
        NotAcceptableError: it takes none.
    """
    accept = request.headers.get("accept", "*/*")
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, _, rest = part.strip().partition(";")
        weights[kind.strip().lower()] = _weight(rest)
    anything = weights.get("*/*", 0.0)
    found = {
        form: weights.get(kind, weights.get(f"{kind.partition('/')[0]}/*", anything))
        for form, kind in MEDIA_TYPES.items()
    }
    best = max(found, key=lambda form: found[form])
    if not found[best]:
        expected = ", ".join(MEDIA_TYPES.values())
        raise NotAcceptableError(
            "not_acceptable", f"expected one of {expected} in Accept, was {accept!r}"
        )
    return best


def encoded(form: Form, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Bytes:
    """Yield the bytes of rows in a form that is streamed; batches have this schema."""
    if form == "csv":
        return _csv(schema, batches)
    return _parquet(schema, batches) if form == "parquet" else _arrow(schema, batches)


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _arrow(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Bytes:
    sink = _Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        yield sink.take()
        for batch in batches:
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Bytes:
    sink = _Sink()
    waiting: list[pa.RecordBatch] = []
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in batches:
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= _ROW_GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting = []
                yield sink.take()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))
    yield sink.take()


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Bytes:
    plain = pa.schema([(field.name, _plain_type(field.type)) for field in schema])
    sink = _Sink()
    options = pacsv.WriteOptions(include_header=True, quoting_style="needed", quoting_header="none")
    with pacsv.CSVWriter(sink, plain, write_options=options) as writer:
        yield sink.take()
        for batch in batches:
            columns = [
                _plain(column, field.type)
                for column, field in zip(batch.columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=plain))
            yield sink.take()
    yield sink.take()


def texts_of_times(column: pa.Array) -> list[str | None]:
    """Return timestamps as ISO-8601 with `Z`: no fraction where whole, else all of the unit's."""
    unit = column.type.unit
    times = column.cast(pa.int64()).fill_null(0).to_numpy().astype(f"datetime64[{unit}]")
    whole = times.astype("datetime64[s]")
    texts = np.where(
        whole == times,
        np.datetime_as_string(whole, unit="s"),
        np.datetime_as_string(times, unit=unit),
    )
    missing = column.is_null().to_pylist()
    return [
        None if is_missing else f"{text}Z"
        for text, is_missing in zip(texts.tolist(), missing, strict=True)
    ]


def _plain_type(kind: pa.DataType) -> pa.DataType:
    is_text = pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_timestamp(kind)
    return pa.string() if is_text else kind


def _plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column as CSV can show it: times as text, what has parts as JSON."""
    if pa.types.is_timestamp(kind):
        return pa.array(texts_of_times(column), pa.string())
    if pa.types.is_map(kind):
        return pa.array([_json(dict(each)) if each else None for each in column.to_pylist()])
    if pa.types.is_list(kind):
        return pa.array([_json(each) if each else None for each in column.to_pylist()])
    return column


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
