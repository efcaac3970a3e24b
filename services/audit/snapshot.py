"""The archive as it was when the audit began: its manifest is listed once."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from agents.archive.store import Store
from models.archive.day_parts import Section
from models.archive.manifest import Entry, EntryName
from services.archive.reader import ArchiveReader

_Bounds = tuple[int | None, int | None]


class Snapshot(ArchiveReader):
    """An archive that does not change. Methods raise as those of `ArchiveReader`."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._sections: dict[str, list[Section]] = {}
        self._bounds: dict[tuple[str, EntryName], _Bounds] = {}

    def names(self, topic: str, partition: int | None = None) -> list[EntryName]:
        """Return the names of a topic's entries, of one partition or of all."""
        return [name for section in self._of(topic, partition) for name in section.names]

    def of_partition(
        self, topic: str, partition: int | None, start: int, end: int
    ) -> Iterator[Entry]:
        """Yield the entries of a partition (of all) that may hold something of `[start, end)`."""
        for section in self._of(topic, partition):
            if not section.may_touch(start, end):
                continue
            bounds = ((name, self._bounds.get((topic, name))) for name in section.names)
            wanted = [name for name, each in bounds if each is None or _touch(each, start, end)]
            for entry in self.manifest.entries_of(topic, section, wanted) if wanted else []:
                self._bounds[topic, entry.entry_name] = (entry.least_time, entry.greatest_time)
                if entry.touches(start, end):
                    yield entry

    def _of(self, topic: str, partition: int | None) -> list[Section]:
        if topic not in self._sections:
            self._sections[topic] = self.manifest.sections(topic)
        return [
            section
            for section in self._sections[topic]
            if partition in (None, section.names[0].partition)
        ]

    def rows_of_market(self, entry: Entry, kind: str, market: str) -> pa.Table | None:
        """Return the rows of a chunk's file that are of one market, None without such a file."""
        batches = list(self._batches(entry, kind, ds.field("market") == market))
        return pa.Table.from_batches(batches) if batches else None

    def is_whole(self, topic: str, partition: int, since: int | None = None) -> bool:
        """Return whether a partition is archived from its beginning on.

        With `since`, also that this was not before `since` (ns).
        """
        names = self.names(topic, partition)
        if not names:
            return False
        first = self.manifest.entry(topic, names[0])
        return first.begins_after == 0 and (since is None or (first.least_time or 0) >= since)

    def begins(self, topic: str, partition: int) -> int | None:
        """Return the least time of the first entry of a partition, None without one."""
        names = self.names(topic, partition)
        return self.manifest.entry(topic, names[0]).least_time if names else None

    def ends(self, topic: str, partition: int | None = None) -> int:
        """Return the greatest time of the last entry of a partition (of all), 0 without any."""
        last = {name.partition: name for name in self.names(topic, partition)}
        entries = [self.manifest.entry(topic, name) for name in last.values()]
        return max((entry.greatest_time or 0 for entry in entries), default=0)

    def clock(self, topic: str, partition: int) -> int:
        """Return up to when (ns) the archived bursts of a source say all; 0 without any."""
        for name in reversed(self.names(topic, partition)):
            bursts = self.table(self.manifest.entry(topic, name), "bursts")
            if bursts is not None and bursts.num_rows:
                return int(pc.max(pc.cast(bursts["clock"], pa.int64())).as_py())
        return 0


def _touch(bounds: _Bounds, start: int, end: int) -> bool:
    least, greatest = bounds
    return least is not None and greatest is not None and least < end and greatest >= start
