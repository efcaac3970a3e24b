"""Parts of the manifest: the entries of a day of a topic partition in one file.

Which entries count the folder of the manifest says alone; a part only spares reading them one by
one. An entry never changes, so a part is right as long as it is there, whoever made it and whatever
was merged since: what lies within its offsets has times within its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from models.archive.manifest import (
    MANIFEST_VERSION,
    Entry,
    EntryName,
    decode_versioned,
    encode_entry,
    manifest_folder,
)

_NAME = re.compile(
    r"p(\d{3,})_(\d{4}-\d\d-\d\d)_(\d{16,})_(\d{16,})_(\d{16,})_(-?\d+)_(-?\d+)\.json\Z"
)


class DayPart(msgspec.Struct, frozen=True):
    """The entries of one day, by offset."""

    version: int = msgspec.field(name="v")
    topic: str
    entries: list[Entry]


class PartName(msgspec.Struct, frozen=True):
    """What the name of a part says; `date` is the day in which the slots of its entries begin.

    `least_time` and `greatest_time` (ns) enclose the times of its entries. `begins_after` is that
    of its first entry.
    """

    partition: int
    date: str
    begins_after: int
    first_offset: int
    last_offset: int
    least_time: int
    greatest_time: int

    @property
    def file_name(self) -> str:
        """Return the name of its file."""
        offsets = f"{self.begins_after:016}_{self.first_offset:016}_{self.last_offset:016}"
        times = f"{self.least_time}_{self.greatest_time}"
        return f"p{self.partition:03}_{self.date}_{offsets}_{times}.json"

    def covers(self, name: EntryName) -> bool:
        """Return whether an entry lies within its offsets."""
        return (
            self.partition == name.partition
            and self.first_offset <= name.first_offset
            and name.last_offset <= self.last_offset
        )


class Section(msgspec.Struct, frozen=True):
    """Entries of a partition that follow each other: those of a part, or a single one without."""

    part: PartName | None
    names: list[EntryName]

    def may_touch(self, start: int, end: int) -> bool:
        """Return whether it may hold something of `[start, end)`; nanoseconds."""
        part = self.part
        return part is None or (part.least_time < end and part.greatest_time >= start)


def parts_folder(topic: str) -> str:
    """Return the folder of a topic's parts below the root."""
    return f"{manifest_folder(topic)}/days"


def part_name(file_name: str) -> PartName | None:
    """Return what the file name of a part says, None where it is none."""
    found = _NAME.match(file_name)
    if found is None:
        return None
    partition, date, *numbers = found.groups()
    return PartName(int(partition), date, *map(int, numbers))


def date_of(entry: Entry) -> str:
    """Return the day in which an entry's slot begins."""
    return datetime.fromtimestamp(entry.start, UTC).strftime("%Y-%m-%d")


def name_of_part(entries: Sequence[Entry]) -> PartName | None:
    """Return how the part of these entries is named, None where none of them has a time."""
    least = [entry.least_time for entry in entries if entry.least_time is not None]
    greatest = [entry.greatest_time for entry in entries if entry.greatest_time is not None]
    if not least or not greatest:
        return None
    first = entries[0]
    return PartName(
        first.partition,
        date_of(first),
        first.begins_after,
        first.first_offset,
        entries[-1].last_offset,
        min(least),
        max(greatest),
    )


def sections(names: Sequence[EntryName], parts: Iterable[PartName]) -> list[Section]:
    """Return the entries that count, by partition and offset, in sections.

    A part within another's offsets does not count, nor one that overlaps another.
    """
    by_partition: dict[int, list[PartName]] = defaultdict(list)
    for each in sorted(parts, key=lambda part: (part.first_offset, -part.last_offset)):
        kept = by_partition[each.partition]
        if not kept or each.first_offset > kept[-1].last_offset:
            kept.append(each)
    found: list[Section] = []
    reached = dict.fromkeys(by_partition, 0)
    for name in names:
        mine = by_partition.get(name.partition, [])
        at = reached.get(name.partition, 0)
        while at < len(mine) and mine[at].last_offset < name.first_offset:
            at += 1
        reached[name.partition] = at
        part = mine[at] if at < len(mine) and mine[at].covers(name) else None
        if part is not None and found and found[-1].part == part:
            found[-1].names.append(name)
        else:
            found.append(Section(part, [name]))
    return found


def encode_part(topic: str, entries: Sequence[Entry]) -> bytes:
    """Return the file of a part."""
    return encode_entry(DayPart(MANIFEST_VERSION, topic, list(entries)))


_decoder = msgspec.json.Decoder(DayPart)


def decode_part(data: bytes) -> DayPart:
    """Return the part of a file.

    Raises:
        InvariantError: it is none of ours.
    """
    return decode_versioned(data, _decoder, MANIFEST_VERSION, "the manifest's days")
