"""Says what the manifest holds of each topic: from when to when, how much, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.manifest import Entry


class OffsetGap(msgspec.Struct, frozen=True):
    """Offsets of a partition that are in no entry, though entries lie before and after them.

    `last_before` and `first_after` are the times (ns) of the entries around, null where they have
    none.
    """

    partition: int
    first: int
    last: int
    last_before: int | None
    first_after: int | None


class Amount(msgspec.Struct, kw_only=True):
    """How much entries tell of."""

    chunks: int = 0
    records: int = 0
    rows: int = 0
    files: int = 0
    bytes: int = 0

    def count(self, entry: Entry) -> None:
        """Count an entry."""
        self.chunks += 1
        self.records += entry.records
        self.rows += entry.rows
        self.files += len(entry.files)
        self.bytes += sum(file.bytes for file in entry.files)


class TopicStatus(Amount):
    """What is archived of a topic; times in nanoseconds since the epoch, null without any."""

    topic: str
    partitions: set[int] = set()
    least_time: int | None = None
    greatest_time: int | None = None
    gaps: list[OffsetGap] = []

    @property
    def missing(self) -> int:
        """Return how many offsets are missing."""
        return sum(gap.last - gap.first + 1 for gap in self.gaps)

    def add(self, entry: Entry) -> None:
        """Count an entry, and see from when until when it is."""
        self.count(entry)
        self.partitions.add(entry.partition)
        if entry.least_time is not None:
            self.least_time = min(entry.least_time, self.least_time or entry.least_time)
        if entry.greatest_time is not None:
            self.greatest_time = max(entry.greatest_time, self.greatest_time or 0)


def status(store: Store, topics: Iterable[str]) -> Iterator[TopicStatus]:
    """Yield what is archived of each topic, of those without anything as well.

    Raises:
        OSError: the store cannot be read.
        InvariantError: the archive holds what none does.
    """
    manifest = Manifest(store)
    for topic in topics:
        found = TopicStatus(topic)
        before: Entry | None = None
        for entry in manifest.entries(topic):
            found.add(entry)
            if before is not None and before.partition == entry.partition:
                found.gaps += gap_between(before, entry)
            before = entry
        yield found


def gap_between(before: Entry, after: Entry) -> list[OffsetGap]:
    """Return what is missing between two entries of a partition that follow each other."""
    first, last = before.last_offset + 1, after.begins_after - 1
    if first > last:
        return []
    return [OffsetGap(after.partition, first, last, before.greatest_time, after.least_time)]
