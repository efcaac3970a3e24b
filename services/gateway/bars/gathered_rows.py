"""Bars and indicators from the archive and from memory, in the very form that memory has them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from models.records.bars import INTERVAL_SECONDS, BarInterval
from services.gateway.bars.interval_schema import SHAPES, Topic
from services.gateway.delay import LineDelay
from services.gateway.memory.interval_rows import MISSING, SOURCES, HeldRows, Reasons
from services.gateway.memory.ring import Rows
from services.history.bar_merging import weight
from services.history.merging import times_of


class GatheredRows:
    """Rows of some markets within a window, gathered from the archive and from memory."""

    def __init__(self, topic: Topic, interval: BarInterval) -> None:
        self._shape = SHAPES[topic]
        self._interval: BarInterval = interval
        self._reasons = Reasons()
        self._rows: dict[str, Rows] = {}

    def held(self) -> HeldRows:
        """Return what was gathered. History is never late."""
        delay = LineDelay(False, lambda: 0)
        return HeldRows(self._shape, self._interval, self._rows, self._reasons, delay, {})

    def put(
        self, market: str, archived: Iterable[pa.RecordBatch], held: Rows, reasons: Reasons
    ) -> None:
        """Take a market's archived rows, and those in memory; these with their reasons.

        Of bars with one number that counts which has more to say, of equal ones that of memory.
        """
        found = [self._from_archive(batch) for batch in archived]
        copied = held.copy()
        codes, places = np.unique(held["values"]["reasons"], return_inverse=True)
        own = [self._reasons.code_of(reasons[code]) for code in codes.tolist()]
        copied["values"]["reasons"] = np.array(own, "<u2")[places]
        self._rows[market] = _chosen(np.concatenate([*found, copied]))

    def _from_archive(self, batch: pa.RecordBatch) -> Rows:
        rows = np.zeros(batch.num_rows, self._shape.row())
        length_s = INTERVAL_SECONDS[self._interval]
        rows["seq"] = times_of(batch, "as_of") // 1_000_000 // length_s - 1
        values = rows["values"]
        for name in self._shape.floats:
            values[name] = batch.column(name).to_numpy(zero_copy_only=False)
        for name in (*self._shape.counts, *self._shape.times):
            column = batch.column(name).cast(pa.int64()).fill_null(MISSING)
            values[name] = column.to_numpy()
        values["source"] = [SOURCES.index(x) for x in batch.column("source").to_pylist()]
        values["reasons"] = [
            self._reasons.code_of(dict(each or ())) for each in batch.column("reasons").to_pylist()
        ]
        return rows


def _chosen(rows: Rows) -> Rows:
    """Return rows in order, one a number; of equal ones the last."""
    values = rows["values"]
    if not (np.diff(rows["seq"]) <= 0).any():
        return rows
    weights = weight(~np.isnan(values["open"]), ~np.isnan(values["volume"]), values["coverage"])
    rows = rows[np.lexsort((weights, rows["seq"]))]
    chosen: Rows = rows[np.append(np.diff(rows["seq"]) > 0, True)]
    return chosen
