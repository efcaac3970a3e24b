"""Cuts the records of a derived topic's partition into units that are written to Cassandra.

A record of bars, indicators, returns or feeds is a unit (`row_cutting`); of spreads and
correlations it is a minute of one source (`minute_cutting`). Which units there are follows from
the records, from where the writer before ended and from which sources have fallen silent; whatever
they are, what they write comes to the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from models.archive.chunks import ArchivedRecord
from models.errors import RecordError
from models.times import microseconds_of
from models.topics import CORRELATIONS

MINUTE_US = 60_000_000


class Reach(msgspec.Struct, frozen=True):
    """Everything of a source with `first` <= `as_of` < `end` is there; microseconds."""

    first: int
    end: int


class ResumePoint(msgspec.Struct, frozen=True):
    """Where a topic partition is read on, and how far its sources reached before that.

    A source is silent that has given no record while the partition, by Kafka's timestamps, went on
    for `idle_s` seconds. `is_after_gap` says that offsets before `next_offset` were never read.
    """

    topic: str
    partition: int
    next_offset: int
    reaches: Mapping[str, Reach]
    idle_s: float
    is_after_gap: bool = False


class Unit(msgspec.Struct, frozen=True):
    """Records that are written together, and up to where their sources are complete afterwards.

    `minute` is that of spreads and matrices, in microseconds; `continues` says that a part of the
    minute may have been written before. A unit without records tells how far reading is.
    """

    first_offset: int
    records: list[ArchivedRecord]
    reaches: dict[str, Reach]
    minute: int | None = None
    continues: bool = False

    @property
    def size(self) -> int:
        """Return how many bytes the record values have."""
        return sum(record.size for record in self.records)


class Head(msgspec.Struct, frozen=True, gc=False):
    """What tells where a record belongs; each topic has some of these fields."""

    as_of: str
    exchange: str = ""
    interval: str = ""
    table: str = ""
    market: str = ""
    since: str = ""
    block: int = 0
    blocks: int = 0


_json_head = msgspec.json.Decoder(Head)
_msgpack_head = msgspec.msgpack.Decoder(Head)


class SeriesCutter(ABC):
    """What was read of one topic partition and is not written yet; `finished` can be, in order.

    A record of a source that is not newer than what it has given before was sent twice: it does
    not count. Where offsets are missing, the source's reach begins anew after them.
    """

    def __init__(self, resume: ResumePoint) -> None:
        """Have read nothing yet."""
        self.topic = resume.topic
        self.partition = resume.partition
        self.next_offset = resume.next_offset
        self.finished: deque[Unit] = deque()
        self.repeats = 0
        self._told_up_to = resume.next_offset
        self._is_untold = False
        self._reaches = dict(resume.reaches)
        self._written = dict(resume.reaches)
        self._idle_ms = round(resume.idle_s * 1_000)
        self._broken = set(self._reaches) if resume.is_after_gap else set()
        self._is_after_gap = resume.is_after_gap
        self._newest_timestamp = 0

    @property
    def written_up_to(self) -> int:
        """Return the first offset that is not wholly written."""
        return self.written_up_to_with(0)

    def written_up_to_with(self, count: int) -> int:
        """Return what that offset is once so many of the finished units are written."""
        waiting = [unit.first_offset for unit in islice(self.finished, count, None)]
        return min([*self._open_offsets(), *waiting, self.next_offset])

    def reaches_with(self, count: int) -> dict[str, Reach]:
        """Return how far every source is written once so many of the finished units are.

        All of them, for one that is missing could be told by a writer that is taken for dead.
        """
        reaches = dict(self._written)
        for unit in islice(self.finished, count):
            reaches |= unit.reaches
        return reaches

    @property
    def waiting_bytes(self) -> int:
        """Return how many bytes the values of the finished units have."""
        return sum(unit.size for unit in self.finished)

    @property
    def oldest_timestamp(self) -> int | None:
        """Return Kafka's timestamp of the oldest record that is not written, in milliseconds."""
        waiting = [record for unit in self.finished for record in unit.records[:1]]
        records = [*waiting, *self._open_records()]
        return min((record.timestamp for record in records), default=None)

    def take(
        self, offset: int, value: bytes | None, timestamp: int = 0, key: bytes | None = None
    ) -> None:
        """Take one record; `timestamp` is Kafka's, in milliseconds.

        Raises:
            RecordError: `undecodable_record`; it counts as taken.
        """
        if offset < self.next_offset:
            return
        if offset > self.next_offset:
            self.skip_to(offset)
        self.next_offset = offset + 1
        self._newest_timestamp = max(self._newest_timestamp, timestamp)
        head, as_of = self._head(value)
        self._add(ArchivedRecord(offset, timestamp, key, value), head, as_of)

    def skip_to(self, offset: int) -> None:
        """Go on at `offset`, since what lies before it is not there."""
        self._finish_all()
        self.next_offset = offset
        self._broken = set(self._reaches)
        self._is_after_gap = True

    def close_idle(self, end_offset: int | None, before: float) -> bool:
        """Finish what is open if the topic holds no more and the newest record is older than that.

        `before` is in seconds since the epoch, `end_offset` None where the end is not known.
        Return whether there is anything to write.
        """
        if end_offset is None or self.next_offset < end_offset:
            return False
        if self._newest_timestamp / 1_000 > before:
            return False
        self._finish_all()
        if not self.finished and (self._is_untold or self._told_up_to < self.written_up_to):
            self._tell()
        return bool(self.finished)

    def done(self, count: int) -> None:
        """So many of the finished units, from the oldest on, are written."""
        self._written = self.reaches_with(count)
        for _ in range(count):
            self.finished.popleft()
        self._told_up_to = self.written_up_to

    def _tell(self) -> None:
        """Finish a unit that holds nothing, and says how far reading is."""
        self.finished.append(Unit(self.next_offset, [], dict(self._reaches)))
        self._is_untold = False

    def _head(self, value: bytes | None) -> tuple[Head, int]:
        decoder = _msgpack_head if self.topic == CORRELATIONS.name else _json_head
        if value is None:
            raise RecordError("undecodable_record", "expected a record with a value, was none")
        try:
            head = decoder.decode(value)
            return head, microseconds_of(head.as_of)
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
            raise RecordError(
                "undecodable_record", f"expected a record of {self.topic}, {error}"
            ) from error

    def _reaches_to(self, source: str, record: ArchivedRecord, as_of: int) -> dict[str, Reach]:
        """Return how far a source reaches with a record of this time, if that is known; keep it."""
        known = self._reaches.get(source)
        is_broken = source in self._broken if known is not None else self._is_after_gap
        end = max(as_of + 1, 0 if known is None else known.end)
        if not is_broken:
            known = Reach(as_of if known is None else known.first, end)
        elif as_of + 1 == end and self._may_begin(record, as_of):
            self._broken.discard(source)
            known = Reach(as_of, end)
        if known is None:
            return {}
        self._reaches[source] = known
        return {source: known}

    def _may_begin(self, record: ArchivedRecord, as_of: int) -> bool:  # noqa: ARG002
        """Return whether, after missing offsets, nothing is missing from this record on."""
        return True

    @abstractmethod
    def _add(self, record: ArchivedRecord, head: Head, as_of: int) -> None:
        """Take a record that could be decoded."""

    def _open_offsets(self) -> Iterable[int]:
        """Return the first offset of whatever is open."""
        return ()

    def _open_records(self) -> Iterable[ArchivedRecord]:
        """Return the records of whatever is open."""
        return ()

    @abstractmethod
    def _finish_all(self) -> None:
        """Finish whatever is open."""
