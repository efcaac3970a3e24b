"""Merges the chunks of an hour into one, and clears what no entry needs any more.

Merged files and their entry come first, what they were merged from goes an hour later: a reader
that has the old entries in hand still finds what they name. What is as it will stay is put into the
part of its day, so neither readers nor the next compaction read its entries one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import PurePosixPath

import msgspec
import pyarrow as pa

from agents.archive.manifest import Manifest
from agents.archive.store import ASIDE, Store, StoredFile
from models.archive.day_parts import Section, date_of
from models.archive.derived_tables import DERIVED_TOPICS, in_order
from models.archive.manifest import (
    MANIFEST_VERSION,
    DataFile,
    Entry,
    EntryName,
    chunk_name,
    manifest_folder,
)
from models.archive.rendering import data_file, file_path, parquet_bytes, row_group_rows
from services.archive.reader import ArchiveReader

HOUR = 3600
LARGEST_MERGED_ROWS = 2_000_000

_ORDER = {
    "quotes": ("market", "time", "offset", "row"),
    "trades": ("market", "time", "offset", "row"),
    "unseen": ("market", "start", "offset", "row"),
    "bursts": ("offset",),
}


class Compacted(msgspec.Struct):
    """What a compaction has done."""

    merged: int = 0
    into: int = 0
    deleted: int = 0


def compact(store: Store, topics: Iterable[str], now: float) -> Compacted:
    """Merge what is over and clear what is not needed; `now` in seconds since the epoch.

    Raises:
        OSError: the store cannot be read or written; what was done stands.
        InvariantError: the archive holds what none does.
    """
    done = Compacted()
    reader = ArchiveReader(store)
    for topic in topics:
        sections = reader.manifest.sections(topic)
        entries = {
            entry.entry_name: entry
            for section in sections
            if section.part is None
            for entry in reader.manifest.entries_of(topic, section)
        }
        for group in list(_groups(list(entries.values()), now)):
            merged = _merge(store, reader, group)
            for entry in group:
                del entries[entry.entry_name]
            entries[merged.entry_name] = merged
            done.merged += len(group)
            done.into += 1
        loose = sorted(entries.values(), key=lambda entry: entry.entry_name)
        done.deleted += _put_together(reader.manifest, topic, sections, loose, now)
        done.deleted += _clear(store, topic, now)
    return done


def _put_together(
    manifest: Manifest,
    topic: str,
    sections: Sequence[Section],
    loose: Sequence[Entry],
    now: float,
) -> int:
    """Put entries that will not be merged any more into the parts of their days.

    Those are the ones of hours that are over, before that of the newest. Return how many files
    were deleted.
    """
    newest = {entry.partition: entry.start // HOUR for entry in loose}
    days: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for entry in loose:
        hour = entry.start // HOUR
        if hour < newest[entry.partition] and (hour + 1) * HOUR <= now:
            days[entry.partition, date_of(entry)].append(entry)
    for section in sections:
        part = section.part
        if part is not None and (part.partition, part.date) in days:
            # There are more of this day now.
            days[part.partition, part.date] += manifest.entries_of(topic, section)
    for entries in days.values():
        manifest.write_part(topic, sorted(entries, key=lambda entry: entry.entry_name))
    listed = manifest.part_names(topic)
    replaced = set(listed) - {each.part for each in manifest.sections(topic)}
    for name in replaced:
        manifest.delete_part(topic, name)
    return len(replaced)


def _groups(entries: Sequence[Entry], now: float) -> Iterator[list[Entry]]:
    """Yield the entries to merge: neighbours in one hour that is over, and not too many rows.

    The newest entry of a partition stays as it is: the hour may go on in Kafka for a while.
    """
    newest = {entry.partition: entry.name for entry in entries}
    for (_, hour), hourly in groupby(entries, lambda each: (each.partition, each.start // HOUR)):
        if (hour + 1) * HOUR > now:
            continue
        group: list[Entry] = []
        for entry in hourly:
            if entry.name == newest[entry.partition]:
                continue
            joins = bool(group) and entry.begins_after == group[-1].last_offset + 1
            rows = sum(each.rows for each in group) + entry.rows
            if group and not (joins and rows <= LARGEST_MERGED_ROWS):
                if len(group) > 1:
                    yield group
                group = []
            group.append(entry)
        if len(group) > 1:
            yield group


def _merge(store: Store, reader: ArchiveReader, group: Sequence[Entry]) -> Entry:
    first, last = group[0], group[-1]
    name = chunk_name(first.partition, first.first_offset, last.last_offset)
    files: list[DataFile] = []
    for kind in dict.fromkeys(file.kind for entry in group for file in entry.files):
        tables = [table for entry in group if (table := reader.table(entry, kind)) is not None]
        # A window that only some of the chunks know is null in the others.
        table = pa.concat_tables(tables, promote_options="default")
        if kind in DERIVED_TOPICS:
            table = in_order(kind, table)
        else:
            order = [(column, "ascending") for column in _ORDER[kind]]
            table = table.sort_by(order).combine_chunks()
        content = parquet_bytes(table, row_group_rows(kind))
        path = file_path(first.topic, kind, last.start, name)
        store.write(path, content)
        files.append(data_file(path, kind, table.num_rows, content))
    least = [entry.least_time for entry in group if entry.least_time is not None]
    greatest = [entry.greatest_time for entry in group if entry.greatest_time is not None]
    merged = Entry(
        version=MANIFEST_VERSION,
        topic=first.topic,
        partition=first.partition,
        first_offset=first.first_offset,
        last_offset=last.last_offset,
        begins_after=first.begins_after,
        # That of the newest, from which a writer goes on.
        start=last.start,
        records=sum(entry.records for entry in group),
        rows=sum(entry.rows for entry in group),
        least_time=min(least, default=None),
        greatest_time=max(greatest, default=None),
        undecodable=[each for entry in group for each in entry.undecodable],
        files=files,
        replaces=[entry.name for entry in group],
    )
    reader.manifest.write_entry(merged)
    return merged


def _clear(store: Store, topic: str, now: float) -> int:
    """Delete entries that were merged into others, then files that no entry names."""
    manifest = Manifest(store)
    every = manifest.all_names(topic)
    kept = set(manifest.names(topic))
    changed = {
        PurePosixPath(file.path).stem: file.changed
        for file in store.files(manifest_folder(topic), recursive=False)
    }
    deleted = 0
    for name in sorted(set(every) - kept):
        around = next(each for each in kept if _encloses(each, name))
        if changed[_file_name(around)] < now - HOUR:
            store.delete(f"{manifest_folder(topic)}/{_file_name(name)}.json")
            deleted += 1
    left = manifest.all_names(topic)
    needed = {_file_name(name) for name in left}
    archived: dict[int, int] = defaultdict(int)
    for name in left:
        archived[name.partition] = max(archived[name.partition], name.last_offset + 1)
    for file in _data_files(store, topic):
        path = PurePosixPath(file.path)
        if path.suffix == ASIDE:
            orphan = file.changed < now - HOUR
        else:
            partition, _, last = (int(part) for part in path.stem.removeprefix("p").split("-"))
            orphan = path.stem not in needed and last < archived[partition]
        if orphan:
            store.delete(file.path)
            deleted += 1
    return deleted


def _data_files(store: Store, topic: str) -> Iterator[StoredFile]:
    if topic in DERIVED_TOPICS:
        yield from store.files(topic)
        return
    exchange, _, kind = topic.rpartition("_")
    for folder in (kind, f"unseen/kind={kind}", f"bursts/kind={kind}"):
        yield from store.files(f"{folder}/exchange={exchange}")


def _encloses(around: EntryName, name: EntryName) -> bool:
    return (
        around.partition == name.partition
        and around.first_offset <= name.first_offset
        and name.last_offset <= around.last_offset
    )


def _file_name(name: EntryName) -> str:
    return chunk_name(name.partition, name.first_offset, name.last_offset)
