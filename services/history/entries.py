"""The entries of the manifest by topic partition, each read once: an entry never changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.manifest import EntryName
from models.errors import StoreError

_LISTED_FOR_S = 1.0


class ArchivedChunk(msgspec.Struct, frozen=True):
    """What a reader needs of an entry; `path` is that of the rows, None where there are none."""

    name: EntryName
    begins_after: int
    least_time: int | None
    greatest_time: int | None
    path: str | None

    def touches(self, start: int, end: int) -> bool:
        """Return whether it may hold rows of `[start, end)`; nanoseconds."""
        if self.path is None or self.least_time is None or self.greatest_time is None:
            return False
        return self.least_time < end and self.greatest_time >= start


class EntryIndex:
    """The chunks of an archive by topic and partition. Any thread may ask.

    What was listed less than a second ago is not listed again.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._manifest = Manifest(store)
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: dict[str, tuple[float, list[EntryName]]] = {}
        self._known: dict[tuple[str, EntryName], ArchivedChunk] = {}

    def of(self, topic: str, partition: int, kind: str) -> list[ArchivedChunk]:
        """Return the chunks of a partition by offset; `kind` is that of the rows.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            return [
                self._chunk(topic, name, kind)
                for name in self._names(topic)
                if name.partition == partition
            ]
        except OSError as error:
            raise StoreError(f"expected the archive's manifest of {topic}, but {error}") from error

    def _names(self, topic: str) -> list[EntryName]:
        with self._lock:
            when, names = self._listed.get(topic, (float("-inf"), []))
            if self._clock() - when < _LISTED_FOR_S:
                return names
        names = self._manifest.names(topic)
        there = set(names)
        with self._lock:
            self._listed[topic] = self._clock(), names
            gone = [at for at in self._known if at[0] == topic and at[1] not in there]
            for at in gone:
                del self._known[at]
        return names

    def _chunk(self, topic: str, name: EntryName, kind: str) -> ArchivedChunk:
        known = self._known.get((topic, name))
        if known is None:
            entry = self._manifest.entry(topic, name)
            file = entry.file(kind)
            known = self._known[topic, name] = ArchivedChunk(
                name,
                entry.begins_after,
                entry.least_time,
                entry.greatest_time,
                None if file is None else file.path,
            )
        return known
