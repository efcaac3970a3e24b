"""Rows of a series as one blob, and back: zstd over JSON columns.

Columns of JSON are a third smaller here than Arrow's format, whose schema is in every blob anew,
and as fast to write; people can read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
import zstandard

from models.archive.derived_tables import DerivedRows, Values, placed
from models.errors import StoreError

_LEVEL = 3
_MAP = "reasons"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Values)


def pack(values: Values) -> bytes:
    """Return rows, given by column, as a blob: the same bytes for the same rows."""
    shown: dict[str, list[Any]] = values
    if _MAP in values:
        shown = values | {_MAP: [dict(pairs) for pairs in values[_MAP]]}
    return compress(_encoder.encode(shown))


def unpack(blob: bytes) -> Values:
    """Return the rows of a blob by column.

    Raises:
        StoreError: it is none of ours.
    """
    try:
        values = _decoder.decode(decompress(blob))
    except msgspec.DecodeError as error:
        raise StoreError(f"expected packed rows, but {error}") from error
    if _MAP in values:
        values[_MAP] = [list(shown.items()) for shown in values[_MAP]]
    return values


def compress(data: bytes) -> bytes:
    """Return data as a zstd frame that knows its length."""
    return zstandard.ZstdCompressor(_LEVEL).compress(data)


def decompress(blob: bytes) -> bytes:
    """Return what `compress` was given.

    Raises:
        StoreError: the blob is none of ours.
    """
    try:
        return zstandard.ZstdDecompressor().decompress(blob)
    except zstandard.ZstdError as error:
        raise StoreError(f"expected a zstd frame, but {error}") from error


def rows_of_markets(records: Sequence[DerivedRows]) -> dict[str, Values]:
    """Return by market the rows of one source's records, in their order.

    Of records with the same `as_of` the first one counts: what is sent twice is the same.
    """
    once: dict[int, DerivedRows] = {}
    for record in records:
        once.setdefault(record.as_of, record)
    parts: dict[str, list[Values]] = {}
    for market, part in _runs(once.values()):
        parts.setdefault(market, []).append(part)
    return {market: joined(mine) for market, mine in parts.items()}


def joined(parts: Sequence[Values]) -> Values:
    """Return the rows of all parts, one part after the other; a column that one lacks is null."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: [each for part in parts for each in part.get(name) or [None] * rows_in(part)]
        for name in names
    }


def merged(known: Values, more: Values) -> Values:
    """Return the rows of both by `as_of`; where both have one, that of `known` counts."""
    both = joined([known, more])
    first: dict[int, int] = {}
    for row, as_of in enumerate(both["as_of"]):
        first.setdefault(as_of, row)
    rows = [first[as_of] for as_of in sorted(first)]
    return taken(both, rows)


def taken(values: Values, rows: Sequence[int]) -> Values:
    """Return these rows, in this order."""
    return {name: [column[row] for row in rows] for name, column in values.items()}


def rows_in(values: Values) -> int:
    """Return how many rows these are."""
    return len(values["row"])


def _runs(records: Iterable[DerivedRows]) -> Iterator[tuple[str, Values]]:
    """Yield rows by market, of one run of records with the same markets after the other.

    Within a run all markets are turned from rows to columns at once.
    """
    for markets, run in groupby(records, key=lambda record: record.values["market"]):
        parts = [placed(record) for record in run]
        names = dict.fromkeys(name for part in parts for name in part)
        columns = [
            zip(*(part.get(name) or [None] * len(markets) for part in parts), strict=True)
            for name in names
        ]
        for market, *lists in zip(markets, *columns, strict=True):
            yield market, dict(zip(names, map(list, lists), strict=True))
