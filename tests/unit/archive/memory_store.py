"""Cassandra in memory: of two writes of one key that with the later timestamp stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from agents.archive.cassandra.store import Progress, Written
from models.archive.derived_tables import rows_table
from models.archive.packing import unpack
from models.archive.series_cutting import Reach
from models.archive.series_rows import (
    Decoded,
    SeriesRow,
    block_of,
    known_minutes,
    minute_keys,
    series_rows,
)
from models.errors import StoreError
from models.records.correlations import CorrelationBlock

_KEY = {"spreads": 3, "bars": 5, "indicators": 5, "feeds": 3, "returns": 3, "matrices": 4}


class MemoryStore:
    """What a `SeriesStore` does, without Cassandra; `is_away` makes it fail."""

    def __init__(self) -> None:
        self.is_away = False
        self.rows: dict[tuple[Any, ...], SeriesRow] = {}
        self.told: dict[tuple[str, int], Progress] = {}
        self.writes: list[SeriesRow] = []

    def progress(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Progress]:
        """Return what was told."""
        self._look()
        return {place: self.told[place] for place in places if place in self.told}

    def tell(
        self, topic: str, partition: int, next_offset: int, reaches: Mapping[str, Reach]
    ) -> None:
        """Keep it."""
        self._look()
        before = self.told.get((topic, partition), Progress(0, {}))
        self.told[topic, partition] = Progress(next_offset, before.reaches | dict(reaches))

    def write(self, topic: str, units: Sequence[Decoded]) -> Written:
        """Keep rows, each where no later one is."""
        self._look()
        rows = [row for unit in units for row in series_rows(topic, unit, self._known(unit))]
        self.writes += rows
        for row in rows:
            self.apply(row)
        return Written(len(rows), sum(len(row.values[-1]) for row in rows))

    def apply(self, row: SeriesRow) -> None:
        """Keep a row, unless one with a later timestamp is there."""
        key = (row.table.name, *row.values[: _KEY[row.table.name]])
        kept = self.rows.get(key)
        if kept is None or kept.written <= row.written:
            self.rows[key] = row

    def close(self) -> None:
        """Nothing is open."""

    def table(self, topic: str) -> pa.Table:
        """Return the rows of a topic."""
        parts = [unpack(row.values[-1]) for key, row in self.rows.items() if key[0] == topic]
        return rows_table(topic, parts)

    def matrices(self) -> list[list[CorrelationBlock]]:
        """Return the last matrix of every minute."""
        minutes: dict[Any, list[SeriesRow]] = {}
        for key, row in sorted(self.rows.items(), key=lambda item: str(item[0])):
            if key[0] != "matrices":
                continue
            minutes.setdefault(key[4], []).append(row)
        newest = (
            [row for row in rows if row.values[4] == max(each.values[4] for each in rows)]
            for rows in minutes.values()
        )
        return [[block_of(row.values[-1]) for row in rows] for rows in newest]

    def _known(self, unit: Decoded) -> Any:
        found = (self.rows.get(("spreads", *key)) for key in minute_keys(unit))
        return known_minutes((row.values[0], row.values[-1]) for row in found if row is not None)

    def _look(self) -> None:
        if self.is_away:
            raise StoreError("expected Cassandra to answer, but it is away")
