"""Answers in Arrow as pandas frames, whole or batch by batch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any, cast

import httpx
import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.ipc

from cointide_client.errors import ConnectionLostError
from cointide_client.transport import ByteReader, response_bytes

ARROW = "application/vnd.apache.arrow.stream"
COMPLETE_FROM = "Cointide-Complete-From"
GAPS = "Cointide-Gaps"

_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_BUFFER_BYTES = 1 << 16


class IncompleteWarning(UserWarning):
    """What is held of a range does not begin where it was asked for, or has a gap."""


class ArrowAnswer:
    """An answer in Arrow: its schema, and its batches, which can be gone through once.

    `attrs` are `complete_from`, from where on nothing is missing (None where nothing is held),
    and `gaps`, the stretches behind it that are, as pairs; times are ISO-8601 text.
    """

    def __init__(self, response: httpx.Response) -> None:
        """Read the schema.

        Raises:
            ConnectionLostError: the answer broke off, or is no Arrow.
        """
        self._raw = ByteReader(response_bytes(response), len(_END_OF_STREAM))
        self._file = io.BufferedReader(self._raw, _BUFFER_BYTES)
        try:
            self._batches = pa.ipc.open_stream(self._file)
        except pa.ArrowInvalid as error:
            raise ConnectionLostError(f"expected an Arrow stream, {error}") from error
        self.schema: pa.Schema = self._batches.schema
        self.attrs = _attrs(response)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches; memory does not grow with their number.

        Raises:
            ConnectionLostError: the answer ends before the end of the stream.
        """
        try:
            yield from self._batches
        except pa.ArrowInvalid as error:
            raise ConnectionLostError(f"expected a whole Arrow stream, {error}") from error
        # Arrow takes an end without its marker for a good one.
        if self._file.read() or self._raw.tail != _END_OF_STREAM:
            raise ConnectionLostError("expected the end of an Arrow stream, was that of the answer")

    def frames(self, index: str) -> Iterator[pd.DataFrame]:
        """Yield a frame a batch."""
        for batch in self.batches():
            yield _frame(pa.Table.from_batches([batch]), index, self.attrs)

    def frame(self, index: str) -> pd.DataFrame:
        """Return all of it as one frame; without rows it has the columns."""
        table = pa.Table.from_batches(list(self.batches()), self.schema)
        return _frame(table, index, self.attrs)


def warn_if_incomplete(attrs: dict[str, Any], start: pd.Timestamp) -> None:
    """Warn where a range begins before what is held, or has gaps."""
    complete_from = attrs["complete_from"]
    if complete_from is None or start < pd.Timestamp(complete_from):
        held = "nothing is held" if complete_from is None else f"held from {complete_from} on"
        warnings.warn(f"asked from {start} on, {held}", IncompleteWarning, stacklevel=4)
    if attrs["gaps"]:
        told = ", ".join(f"{begin} to {end}" for begin, end in attrs["gaps"])
        warnings.warn(f"not held: {told}", IncompleteWarning, stacklevel=4)


def flat(figures: dict[str, Any], into: dict[str, Any] | None = None, path: str = "") -> Any:
    """Return figures of an answer in JSON by column name, as `windows_15s_mean`.

    `reasons` stays the object that it is.
    """
    found = {} if into is None else into
    for name, value in figures.items():
        if isinstance(value, dict) and name != "reasons":
            flat(value, found, f"{path}{name}_")
        else:
            found[f"{path}{name}"] = value
    return found


def frame_of(rows: list[dict[str, Any]], index: str) -> pd.DataFrame:
    """Return rows of an answer in JSON as a frame; times are in UTC, null is NaN."""
    frame = pd.DataFrame([flat(row) for row in rows])
    for name in frame.columns:
        if name in _TIMES or name.removeprefix("quote_") in _TIMES:
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
        elif name != "reasons" and frame[name].isna().all():
            frame[name] = frame[name].astype("float64")
    return frame.set_index(index) if index in frame else frame


_TIMES = frozenset(
    {"as_of", "start", "time", "receive_time", "first_trade", "last_trade", "last_frame", "since",
     "source_time"}
)  # fmt: skip


def _frame(table: pa.Table, index: str, attrs: dict[str, Any]) -> pd.DataFrame:
    """Return a table as a frame: null is NaN or NaT, `reasons` a dictionary a row."""
    frame = cast(pd.DataFrame, table.to_pandas(maps_as_pydicts="strict"))
    for field in table.schema:
        # A column without a value has no type of its own in pandas.
        if pa.types.is_null(field.type):
            frame[field.name] = frame[field.name].astype("float64")
    frame = frame.set_index(index)
    frame.attrs.update(attrs)
    return frame


def _attrs(response: httpx.Response) -> dict[str, Any]:
    complete_from = response.headers.get(COMPLETE_FROM)
    gaps = response.headers.get(GAPS)
    # As text, since pandas writes attributes to files as JSON.
    return {"complete_from": complete_from or None, "gaps": msgspec.json.decode(gaps or "[]")}
