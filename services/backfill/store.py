"""The backfilled days of an archive: a file and an entry each, replaced as a whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from agents.archive.store import Store
from models.archive.backfill import (
    BACKFILL_VERSION,
    BackfilledDay,
    BackfillEntry,
    BackfillSource,
    day_of_entry,
    decode_backfill_entry,
    entry_folder,
)
from models.archive.manifest import encode_entry
from models.archive.rendering import data_file, parquet_bytes
from models.errors import InvariantError
from models.statistics.bars import ABSENT, Columns
from services.backfill.days import day_table, minutes_of
from services.history.merging import times_of

_READINGS = 5
_MICROSECOND = 1_000


class BackfillStore:
    """Reads and writes backfilled days.

    Methods raise OSError where the store cannot be read or written, InvariantError where it holds
    what no backfill does.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def days(self, source: BackfillSource, market: str) -> list[int]:
        """Return the days of which there are bars, in order."""
        files = self._store.files(entry_folder(source, market), recursive=False)
        if not files:
            self._store.look()
        days = (day_of_entry(PurePosixPath(file.path).name) for file in files)
        return sorted(day for day in days if day is not None)

    def markets(self, source: BackfillSource) -> Iterator[str]:
        """Yield the markets of which there are bars."""
        folder = f"manifest/backfill/bars/source={source}"
        found = {PurePosixPath(file.path).parent for file in self._store.files(folder)}
        for path in sorted(found):
            yield f"{path.parent.name.removeprefix('exchange=')}:{path.name}"

    def entry(self, day: BackfilledDay) -> BackfillEntry | None:
        """Return the entry of a day, None where there is none."""
        if self._store.size(day.entry) is None:
            return None
        return decode_backfill_entry(self._store.read(day.entry))

    def table(self, day: BackfilledDay) -> pa.Table | None:
        """Return the bars of a day, None where there are none."""
        missing: FileNotFoundError | None = None
        for _ in range(_READINGS):
            entry = self.entry(day)
            if entry is None:
                return None
            try:
                table = pq.read_table(io.BytesIO(self._store.read(entry.file.path)))
            except FileNotFoundError as error:
                # It has been replaced since its entry was read.
                missing = error
                continue
            if table.num_rows != entry.rows:
                expected = f"expected {entry.rows} rows in {entry.file.path}"
                raise InvariantError(f"{expected}, was {table.num_rows}")
            return table
        raise InvariantError(f"expected the file that {day.entry} names, but {missing}")

    def put(self, day: BackfilledDay, minutes: Columns) -> int:
        """Put minutes, shape (1440,), in the place of those that are there; return how many.

        Of two minutes of captures the one that saw more stays.
        """
        self._store.look()
        new = minutes["origin"] != ABSENT
        if not new.any():
            return 0
        there = self.table(day)
        if there is not None:
            before = minutes_of(there, day.day)
            if day.source == "capture":
                new &= minutes["coverage"] >= before["coverage"]
            minutes = {name: np.where(new, minutes[name], before[name]) for name in minutes}
        self._write(day, minutes)
        return int(new.sum())

    def _write(self, day: BackfilledDay, minutes: Columns) -> None:
        table = day_table(day, minutes)
        content = parquet_bytes(table)
        path = day.file(hashlib.sha256(content).hexdigest())
        before = self.entry(day)
        self._store.write(path, content)
        times = times_of(table, "as_of")
        entry = BackfillEntry(
            version=BACKFILL_VERSION,
            source=day.source,
            market=day.market,
            date=day.date,
            minutes=int((minutes["origin"] != ABSENT).sum()),
            rows=table.num_rows,
            least_time=int(times[0]) * _MICROSECOND,
            greatest_time=int(times[-1]) * _MICROSECOND,
            file=data_file(path, "bars", table.num_rows, content),
        )
        self._store.write(day.entry, encode_entry(entry))
        if before is not None and before.file.path != path:
            self._store.delete(before.file.path)
