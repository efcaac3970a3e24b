"""Entries of the manifest: what the archive holds, chunk by chunk."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec

from models.errors import InvariantError

MANIFEST_VERSION = 1
MANIFEST_ROOT = "manifest"
ARCHIVE_MARK = f"{MANIFEST_ROOT}/archive.json"
"""The file by which an archive is known that holds nothing yet."""

_NAME = re.compile(r"p(\d{3,})-(\d{16,})-(\d{16,})\.json\Z")


class DataFile(msgspec.Struct, frozen=True):
    """A Parquet file: its path below the root, which kind of rows, how many, how many bytes."""

    path: str
    kind: str
    rows: int
    bytes: int
    sha256: str


class Undecodable(msgspec.Struct, frozen=True):
    """A record that is in no file, since it could not be read; it went to `dead_letters`."""

    offset: int
    reason: str


class Entry(msgspec.Struct, frozen=True):
    """One chunk: the records of a topic partition from `begins_after` to `last_offset`.

    `first_offset` is that of its first record. `start` is where its time slot begins, in seconds.
    `rows` counts ticks, or the rows of a derived topic; `undecodable` records have none.
    `least_time` and `greatest_time` enclose the times of its ticks, unseen intervals and clocks,
    of a derived topic `as_of`; nanoseconds since the epoch, null where there are none.
    `replaces` are the entries that this one was merged from.
    """

    version: int = msgspec.field(name="v")
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    begins_after: int
    start: int
    records: int
    rows: int
    least_time: int | None
    greatest_time: int | None
    undecodable: list[Undecodable]
    files: list[DataFile]
    replaces: list[str] = []

    @property
    def entry_name(self) -> EntryName:
        """Return what its name says."""
        return EntryName(self.partition, self.first_offset, self.last_offset)

    @property
    def name(self) -> str:
        """Return the name of its files, without a suffix."""
        return chunk_name(self.partition, self.first_offset, self.last_offset)

    @property
    def path(self) -> str:
        """Return where it lies below the root."""
        return f"{manifest_folder(self.topic)}/{self.name}.json"

    def touches(self, start: int, end: int) -> bool:
        """Return whether it may hold something of `[start, end)`; nanoseconds."""
        least, greatest = self.least_time, self.greatest_time
        return least is not None and greatest is not None and least < end and greatest >= start

    def file(self, kind: str) -> DataFile | None:
        """Return its file of a kind, None where there were no such rows."""
        return next((each for each in self.files if each.kind == kind), None)


class EntryName(msgspec.Struct, frozen=True, order=True):
    """What the name of an entry says."""

    partition: int
    first_offset: int
    last_offset: int


def chunk_name(partition: int, first_offset: int, last_offset: int) -> str:
    """Return how the files of a chunk are named, without a suffix.

    >>> chunk_name(3, 17, 4711)
    'p003-0000000000000017-0000000000004711'
    """
    return f"p{partition:03}-{first_offset:016}-{last_offset:016}"


def manifest_folder(topic: str) -> str:
    """Return the folder of a topic's entries below the root."""
    return f"{MANIFEST_ROOT}/{topic}"


def entry_name(file_name: str) -> EntryName | None:
    """Return what the file name of an entry says, None where it is none.

    >>> entry_name("p003-0000000000000017-0000000000004711.json")
    EntryName(partition=3, first_offset=17, last_offset=4711)
    """
    found = _NAME.match(file_name)
    return EntryName(*map(int, found.groups())) if found else None


def in_force(names: Iterable[EntryName]) -> list[EntryName]:
    """Return the names that count, by partition and offset: those within another do not.

    So a merged entry stands for those that it was merged from, deleted or not.

    Raises:
        InvariantError: two of them overlap in part.
    """
    kept: list[EntryName] = []
    for name in sorted(names, key=lambda n: (n.partition, n.first_offset, -n.last_offset)):
        before = kept[-1] if kept and kept[-1].partition == name.partition else None
        if before is None or name.first_offset > before.last_offset:
            kept.append(name)
        elif name.last_offset > before.last_offset:
            raise InvariantError(f"expected entries that do not overlap, was {before} and {name}")
    return kept


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


class Versioned(Protocol):
    """An entry that says which version its form is of."""

    @property
    def version(self) -> int:
        """Return the version."""
        ...


AnyEntry = TypeVar("AnyEntry", bound=Versioned)


def encode_entry(entry: Versioned) -> bytes:
    """Return the file of an entry, of this manifest or the backfill's."""
    return msgspec.json.format(_encoder.encode(entry), indent=1) + b"\n"


def decode_entry(data: bytes) -> Entry:
    """Return the entry of a file.

    Raises:
        InvariantError: it is none of ours.
    """
    return decode_versioned(data, _decoder, MANIFEST_VERSION, "the manifest")


def decode_versioned(
    data: bytes, decoder: msgspec.json.Decoder[AnyEntry], version: int, manifest: str
) -> AnyEntry:
    """Return the entry of a file of a manifest, which is named for people.

    Raises:
        InvariantError: it is none, or of another version.
    """
    try:
        entry = decoder.decode(data)
    except msgspec.DecodeError as error:
        raise InvariantError(f"expected an entry of {manifest}, {error}") from error
    if entry.version != version:
        raise InvariantError(f"expected an entry of version {version}, was {entry.version}")
    return entry
