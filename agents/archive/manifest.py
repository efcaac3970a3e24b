"""The manifest in the store: which chunks are archived, and from where a writer goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePosixPath

import msgspec

from agents.archive.store import Store
from models.archive.day_parts import (
    PartName,
    Section,
    decode_part,
    encode_part,
    name_of_part,
    part_name,
    parts_folder,
    sections,
)
from models.archive.manifest import (
    Entry,
    EntryName,
    chunk_name,
    decode_entry,
    encode_entry,
    entry_name,
    in_force,
    manifest_folder,
)
from models.archive.rendering import Rendered


class ArchivedUpTo(msgspec.Struct, frozen=True):
    """Where the archive of a topic partition ends: the offset after it, its newest entry."""

    offset: int
    newest: Entry


class Manifest:
    """The entries of an archive.

    Methods raise OSError where the store cannot be read or written, or where the archive that has
    been there is gone; InvariantError where it holds what no archive does.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self) -> None:
        """Begin an archive where there has been none yet."""
        self._store.begin()

    def all_names(self, topic: str) -> list[EntryName]:
        """Return the names of a topic's entries, those that were merged into others as well."""
        files = self._store.files(manifest_folder(topic), recursive=False)
        if files:
            self._store.seen()
        else:
            self._store.look()
        names = (entry_name(PurePosixPath(file.path).name) for file in files)
        return [name for name in names if name is not None]

    def names(self, topic: str) -> list[EntryName]:
        """Return the names of the entries that count, by partition and offset."""
        return in_force(self.all_names(topic))

    def entry(self, topic: str, name: EntryName) -> Entry:
        """Return an entry."""
        file = chunk_name(name.partition, name.first_offset, name.last_offset)
        return decode_entry(self._store.read(f"{manifest_folder(topic)}/{file}.json"))

    def entries(self, topic: str) -> list[Entry]:
        """Return the entries that count, by partition and offset."""
        return [
            entry for section in self.sections(topic) for entry in self.entries_of(topic, section)
        ]

    def sections(self, topic: str, partition: int | None = None) -> list[Section]:
        """Return the entries that count by partition and offset, those of a day together.

        Those of one partition, or of all.
        """
        found = sections(self.names(topic), self.part_names(topic))
        return [each for each in found if partition in (None, each.names[0].partition)]

    def entries_of(
        self, topic: str, section: Section, wanted: Sequence[EntryName] | None = None
    ) -> list[Entry]:
        """Return the entries of a section, or those that are wanted of it, by offset."""
        known: dict[EntryName, Entry] = {}
        if section.part is not None:
            # One that is gone was replaced since it was listed.
            with contextlib.suppress(FileNotFoundError):
                known = {each.entry_name: each for each in self.part(topic, section.part)}
        names = section.names if wanted is None else wanted
        return [known[name] if name in known else self.entry(topic, name) for name in names]

    def part_names(self, topic: str) -> list[PartName]:
        """Return the names of a topic's parts, those that were replaced as well."""
        files = self._store.files(parts_folder(topic), recursive=False)
        names = (part_name(PurePosixPath(file.path).name) for file in files)
        return [name for name in names if name is not None]

    def part(self, topic: str, name: PartName) -> list[Entry]:
        """Return the entries of a part."""
        return decode_part(self._store.read(f"{parts_folder(topic)}/{name.file_name}")).entries

    def write_part(self, topic: str, entries: Sequence[Entry]) -> None:
        """Put entries of a partition's day together, where there is anything to look for."""
        name = name_of_part(entries)
        if name is not None:
            self._store.write(
                f"{parts_folder(topic)}/{name.file_name}", encode_part(topic, entries)
            )

    def delete_part(self, topic: str, name: PartName) -> None:
        """Delete a part; its entries are read one by one then."""
        self._store.delete(f"{parts_folder(topic)}/{name.file_name}")

    def archived_up_to(self, topic: str) -> dict[int, ArchivedUpTo]:
        """Return by partition where the archive of a topic ends."""
        newest = {name.partition: name for name in self.names(topic)}
        return {
            partition: ArchivedUpTo(name.last_offset + 1, self.entry(topic, name))
            for partition, name in newest.items()
        }

    def since(self, topic: str, partition: int, start: int) -> list[Entry]:
        """Return the newest entries of a partition whose slots begin at `start` or later."""
        names = [name for name in self.names(topic) if name.partition == partition]
        entries = (self.entry(topic, name) for name in reversed(names))
        return list(takewhile(lambda entry: entry.start >= start, entries))

    def write_files(self, rendered: Rendered) -> None:
        """Write the data files of a chunk."""
        self._store.look()
        for path, content in rendered.contents.items():
            self._store.write(path, content)

    def write_entry(self, entry: Entry) -> None:
        """Write an entry: from now on its files are part of the archive."""
        # What was written to nowhere must not count.
        self._store.look()
        self._store.write(entry.path, encode_entry(entry))
