"""Archived rows of a derived topic as frames."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from services.audit.found import TopicFound
from services.audit.pieces import Times
from services.audit.snapshot import Snapshot

_PLACE = ("partition", "offset", "row")
_Name = Callable[[dict[Hashable, Any]], str]
"""How the series of a row is called."""


class Rows(msgspec.Struct, frozen=True):
    """Rows each once, and what is there of them besides.

    `repeated` are copies in another record: a worker that was killed may have sent one twice.
    `twice` are copies in the same record, which no worker writes.
    """

    once: pd.DataFrame
    repeated: pd.DataFrame
    twice: pd.DataFrame

    def tell_copies(
        self, found: TopicFound, series: Sequence[str], name: _Name | None = None
    ) -> None:
        """Tell copies, and rows of one series and `as_of` that are not the same.

        `series` are the columns that tell series apart; `name` says how one is called, if it is
        not by the values of these.
        """
        others = self.once[self.once.duplicated([*series, "as_of"])]
        named = name or (lambda row: " ".join(str(row[column]) for column in series))
        for places, rows in (
            (found.repeated, self.repeated),
            (found.doubled, self.twice),
            (found.doubled, others),
        ):
            if len(rows):
                places.take(list(map(named, rows.to_dict("records"))), times(rows))


def derived_rows(
    archive: Snapshot,
    topic: str,
    partition: int | None,
    start: int,
    end: int,
    columns: Sequence[str],
    equal: Mapping[str, str | None],
) -> Rows:
    """Return the rows of a partition (of all) with an `as_of` in `[start, end)`, as in the log.

    `equal` narrows them down by columns; None is any. `as_of` is int64 ns, other times are ns from
    there on (float64: exact, and null is NaN), lists are joined by commas. Besides `columns` there
    are `as_of`, `partition`, `offset` and `row`.
    """
    tables = []
    names = (*columns, "offset", "row")
    read = list(dict.fromkeys((*names, *equal, "as_of")))
    for entry in archive.of_partition(topic, partition, start, end):
        table = archive.table(entry, topic, read)
        if table is None:
            continue
        as_of = pc.multiply(pc.cast(table["as_of"], pa.int64()), 1_000)
        kept = pc.and_(pc.greater_equal(as_of, start), pc.less(as_of, end))
        for name, value in equal.items():
            if value is not None:
                kept = pc.and_(kept, pc.equal(table[name], value))
        chosen = {name: _plain(table[name], as_of) for name in names} | {"as_of": as_of}
        chosen["partition"] = pa.array(np.full(table.num_rows, entry.partition))
        tables.append(pa.table(chosen).filter(kept))
    every = (*columns, "as_of", *_PLACE)
    if not tables:
        nothing = pd.DataFrame({name: np.zeros(0, np.int64) for name in every})
        return Rows(nothing, nothing, nothing)
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    rows = rows.sort_values(["offset", "row"], ignore_index=True)
    content = [*columns, "as_of", "partition"]
    copies = rows.duplicated(content)
    if not copies.any():
        return Rows(rows, rows.iloc[:0], rows.iloc[:0])
    twice = rows.duplicated([*content, "offset"])
    return Rows(rows[~copies], rows[copies & ~twice], rows[twice])


def times(rows: pd.DataFrame) -> Times:
    """Return the `as_of` of rows, int64 ns."""
    at: Times = rows["as_of"].to_numpy(np.int64)
    return at


def _plain(column: pa.ChunkedArray, as_of: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times as nanoseconds from `as_of` on, lists as text, others as they are."""
    if pa.types.is_timestamp(column.type):
        return pc.cast(pc.subtract(pc.cast(column, pa.int64()), as_of), pa.float64())
    if pa.types.is_list(column.type):
        return pc.binary_join(column, ",")
    return column
