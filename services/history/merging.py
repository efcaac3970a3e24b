"""Streams of rows that overlap in time, as one in time order; memory is that of the overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

AT_ONCE = 4_096
"""Rows that are gathered before they are handed on."""


class Stream(msgspec.Struct, frozen=True):
    """Rows in time order, none before `least`, which is in the unit of the time's column."""

    least: int
    batches: Callable[[], Iterator[pa.RecordBatch]]


class _Open:
    """A stream that is being read; `last` is the newest time that it has given."""

    def __init__(self, stream: Stream, time: str) -> None:
        self._batches = stream.batches()
        self._time = time
        self.last = stream.least

    def load(self, pool: list[pa.Table]) -> bool:
        """Put the next rows to the others; return False at the end."""
        batch = next(self._batches, None)
        if batch is None:
            return False
        pool.append(pa.Table.from_batches([batch]))
        self.last = max(self.last, int(times_of(batch, self._time)[-1]))
        return True

    def close(self) -> None:
        """Read no more."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()


def merged(
    streams: Iterable[Stream], time: str, order: Sequence[str], at_once: int = AT_ONCE
) -> Iterator[pa.Table]:
    """Yield the rows of all streams sorted by `order`, which begins with `time`.

    Rows with one time come in one table.
    """
    waiting = deque(sorted(streams, key=lambda stream: stream.least))
    active: list[_Open] = []
    pool: list[pa.Table] = []
    try:
        while waiting or active:
            first = min(active, key=lambda each: each.last, default=None)
            if first is None or (waiting and waiting[0].least <= first.last):
                first = _Open(waiting.popleft(), time)
                active.append(first)
            if not first.load(pool):
                first.close()
                active.remove(first)
            if sum(table.num_rows for table in pool) < at_once:
                continue
            bounds = [each.last for each in active]
            bounds += [waiting[0].least] if waiting else []
            yield from _complete(pool, time, order, min(bounds, default=None))
        yield from _complete(pool, time, order, None)
    finally:
        for each in active:
            each.close()


def last_of_each(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return of the rows in a row whose `keys` are the same the last one."""
    if table.num_rows < 2:
        return table
    differs = np.zeros(table.num_rows - 1, np.bool_)
    for key in keys:
        column = table[key].combine_chunks()
        differs |= pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    if differs.all():
        return table
    return table.filter(pa.array(np.append(differs, True)))


def times_of(rows: pa.RecordBatch | pa.Table, name: str) -> NDArray[np.int64]:
    """Return a column of timestamps as integers, in its unit."""
    found: NDArray[np.int64] = rows[name].cast(pa.int64()).to_numpy(zero_copy_only=False)
    return found


def _complete(
    pool: list[pa.Table], time: str, order: Sequence[str], bound: int | None
) -> Iterator[pa.Table]:
    """Yield what lies before `bound` (None: everything), and take it out of the pool."""
    if not pool:
        return
    table = pa.concat_tables(pool, promote_options="default")
    pool.clear()
    if bound is not None:
        is_before = times_of(table, time) < bound
        rest = table.filter(pa.array(~is_before))
        if rest.num_rows:
            pool.append(rest)
        table = table.filter(pa.array(is_before)) if rest.num_rows else table
    if table.num_rows:
        yield table.sort_by([(name, "ascending") for name in order]).combine_chunks()
