"""Archived rows of a derived topic as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from services.audit.snapshot import Snapshot


def derived_frame(
    archive: Snapshot,
    topic: str,
    partition: int | None,
    start: int,
    end: int,
    columns: Sequence[str],
    equal: Mapping[str, str | None],
) -> pd.DataFrame:
    """Return the rows of a partition (of all) with an `as_of` in `[start, end)`, as in the log.

    `equal` narrows them down by columns; None is any. `as_of` is int64 ns, other times are ns from
    there on (float64: exact, and null is NaN), lists are joined by commas. Besides `columns` there
    are `as_of`, `offset` and `row`. What was sent twice is there once.
    """
    tables = []
    names = (*columns, "offset", "row")
    for entry in archive.of_partition(topic, partition, start, end):
        table = archive.table(entry, topic)
        if table is None:
            continue
        as_of = pc.multiply(pc.cast(table["as_of"], pa.int64()), 1_000)
        kept = pc.and_(pc.greater_equal(as_of, start), pc.less(as_of, end))
        for name, value in equal.items():
            if value is not None:
                kept = pc.and_(kept, pc.equal(table[name], value))
        chosen = pa.table({name: _plain(table[name], as_of) for name in names} | {"as_of": as_of})
        tables.append(chosen.filter(kept))
    every = (*names, "as_of")
    if not tables:
        return pd.DataFrame({name: np.zeros(0, np.int64) for name in every})
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    rows = rows.sort_values(["offset", "row"], ignore_index=True)
    return rows.drop_duplicates([name for name in every if name not in ("offset", "row")])


def reached(
    archive: Snapshot, topic: str, source: tuple[str, int], start: int, end: int
) -> int | None:
    """Return the last `as_of` in `[start, end)` that a source has published, None without one."""
    exchange, partition = source
    for entry in reversed(list(archive.of_partition(topic, partition, start, end))):
        table = archive.table(entry, topic)
        if table is None:
            continue
        mine = table.filter(pc.field("exchange") == exchange)
        if mine.num_rows:
            return int(pc.max(pc.cast(mine["as_of"], pa.int64())).as_py()) * 1_000
    return None


def _plain(column: pa.ChunkedArray, as_of: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times as nanoseconds from `as_of` on, lists as text, others as they are."""
    if pa.types.is_timestamp(column.type):
        return pc.cast(pc.subtract(pc.cast(column, pa.int64()), as_of), pa.float64())
    if pa.types.is_list(column.type):
        return pc.binary_join(column, ",")
    return column
