"""The entries of the manifest by topic partition: as few are read as a range needs, each once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.day_parts import Section
from models.archive.manifest import Entry, EntryName
from models.errors import StoreError
from services.history.source import Span

_LOOKED_FOR_S = 1.0
_LISTED_SHARE = 20
_LISTED_FOR_S = 60.0


class ArchivedChunk(msgspec.Struct, frozen=True):
    """What a reader needs of an entry; `path` is that of the rows, None where there are none."""

    name: EntryName
    begins_after: int
    least_time: int | None
    greatest_time: int | None
    path: str | None

    def touches(self, start: int, end: int) -> bool:
        """Return whether it may hold something of `[start, end)`; nanoseconds."""
        if self.least_time is None or self.greatest_time is None:
            return False
        return self.least_time < end and self.greatest_time >= start


class PartitionChunks:
    """The chunks of a topic partition by offset; those that nobody asks for are not read.

    Times are nanoseconds. Methods raise StoreError where the store cannot be read.
    """

    def __init__(
        self, sections: Sequence[Section], read: Callable[[Section], list[ArchivedChunk]]
    ) -> None:
        """`read` gives the chunks of a section."""
        self._sections = sections
        self._read = read

    @property
    def next_offset(self) -> int:
        """Return the offset after the last one, 0 where there is no chunk."""
        return self._sections[-1].names[-1].last_offset + 1 if self._sections else 0

    @property
    def is_empty(self) -> bool:
        """Return whether there is no chunk."""
        return not self._sections

    def first(self) -> ArchivedChunk | None:
        """Return the oldest chunk, None where there is none."""
        return self._read(self._sections[0])[0] if self._sections else None

    def touching(self, start: int, end: int) -> list[ArchivedChunk]:
        """Return those that may hold something of `[start, end)`."""
        return [
            chunk
            for section in self._sections
            if section.may_touch(start, end)
            for chunk in self._read(section)
            if chunk.touches(start, end)
        ]

    def newest_first(self) -> Iterator[ArchivedChunk]:
        """Yield them from the newest on."""
        for section in reversed(self._sections):
            yield from reversed(self._read(section))

    def begins(self) -> int | None:
        """Return where the oldest one that has a time begins, None where none has."""
        chunks = (chunk for section in self._sections for chunk in self._read(section))
        return next((chunk.least_time for chunk in chunks if chunk.least_time is not None), None)

    def until(self) -> int | None:
        """Return the greatest time of all, None where there is none."""
        times: list[int | None] = []
        for section in self._sections:
            if section.part is not None:
                times.append(section.part.greatest_time)
            else:
                times += [chunk.greatest_time for chunk in self._read(section)]
        return max((time for time in times if time is not None), default=None)

    def lost(self, start: int, end: int) -> list[Span]:
        """Return the times within `[start, end)` between chunks that do not join."""
        spans: list[Span] = []
        before: Section | None = None
        for section in self._sections:
            if before is not None and self._begins_after(section) > _next_offset(before):
                spans += _between([self._read(before)[-1], self._read(section)[0]])
            # What is missing within lies between its own times.
            if len(section.names) > 1 and section.may_touch(start, end):
                spans += _between(self._read(section))
            before = section
        return [span for span in spans if span.start < end and span.end > start]

    def _begins_after(self, section: Section) -> int:
        part = section.part
        if part is not None and section.names[0].first_offset == part.first_offset:
            return part.begins_after
        return self._read(section)[0].begins_after


class EntryIndex:
    """The chunks of an archive by topic and partition. Any thread may ask.

    What was listed is listed again after twenty times as long as that took, after a second at the
    earliest and a minute at the latest: so long what is new is read from the log. Each second it is
    seen whether the archive is still there.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._manifest = Manifest(store)
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._listed: dict[str, tuple[float, dict[int, list[Section]]]] = {}
        self._known: dict[str, dict[EntryName, ArchivedChunk]] = {}

    def of(self, topic: str, partition: int, kind: str) -> PartitionChunks:
        """Return the chunks of a partition; `kind` is that of the rows.

        Raises:
            StoreError: the store cannot be read.
        """

        def read(section: Section) -> list[ArchivedChunk]:
            try:
                return self._chunks(topic, section, kind)
            except OSError as error:
                raise _unreadable(topic, error) from error

        try:
            self._look()
            return PartitionChunks(self._sections(topic).get(partition, []), read)
        except OSError as error:
            raise _unreadable(topic, error) from error

    def _look(self) -> None:
        with self._lock:
            if self._clock() - self._looked < _LOOKED_FOR_S:
                return
        self._store.look()
        with self._lock:
            self._looked = self._clock()

    def _sections(self, topic: str) -> dict[int, list[Section]]:
        began = self._clock()
        with self._lock:
            until, listed = self._listed.get(topic, (float("-inf"), {}))
            if began < until:
                return listed
        listed = {}
        for section in self._manifest.sections(topic):
            listed.setdefault(section.names[0].partition, []).append(section)
        ended = self._clock()
        lasts = min(max(_LOOKED_FOR_S, _LISTED_SHARE * (ended - began)), _LISTED_FOR_S)
        there = {name for each in listed.values() for section in each for name in section.names}
        with self._lock:
            self._listed[topic] = ended + lasts, listed
            known = self._known.setdefault(topic, {})
            for name in known.keys() - there:
                del known[name]
        return listed

    def _chunks(self, topic: str, section: Section, kind: str) -> list[ArchivedChunk]:
        known = self._known.setdefault(topic, {})
        found = {name: chunk for name in section.names if (chunk := known.get(name)) is not None}
        unknown = [name for name in section.names if name not in found]
        if unknown:
            entries = self._manifest.entries_of(topic, section, unknown)
            read = {entry.entry_name: _chunk(entry, kind) for entry in entries}
            known.update(read)
            found |= read
        return [found[name] for name in section.names]


def _chunk(entry: Entry, kind: str) -> ArchivedChunk:
    file = entry.file(kind)
    return ArchivedChunk(
        entry.entry_name,
        entry.begins_after,
        entry.least_time,
        entry.greatest_time,
        None if file is None else file.path,
    )


def _next_offset(section: Section) -> int:
    return section.names[-1].last_offset + 1


def _between(chunks: Sequence[ArchivedChunk]) -> list[Span]:
    return [
        Span(before.greatest_time + 1, after.least_time)
        for before, after in pairwise(chunks)
        if after.begins_after > before.name.last_offset + 1
        and before.greatest_time is not None
        and after.least_time is not None
        and before.greatest_time + 1 < after.least_time
    ]


def _unreadable(topic: str, error: OSError) -> StoreError:
    return StoreError(f"expected the archive's manifest of {topic}, but {error}")
