"""Cuts the records of one topic partition into chunks, by their Kafka timestamps.

Where it cuts follows from the records and from where the chunk before ended, so that a writer
that starts again cuts as the one before it would have.
"""

from __future__ import annotations

import msgspec

LARGEST_CHUNK_BYTES = 32 * 1024 * 1024


class ArchivedRecord(msgspec.Struct, frozen=True, gc=False):
    """A Kafka record; `timestamp` is Kafka's, in milliseconds since the epoch."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def size(self) -> int:
        """Return how many bytes its value has."""
        return 0 if self.value is None else len(self.value)


class Chunk(msgspec.Struct, frozen=True):
    """Records of one topic partition that are archived together; at least one.

    `start` is where their time slot begins, in seconds since the epoch. Every record that the
    topic held from `begins_after` to the last one of these is one of these.
    """

    topic: str
    partition: int
    start: int
    begins_after: int
    records: list[ArchivedRecord]

    @property
    def last_offset(self) -> int:
        """Return the offset of the last record."""
        return self.records[-1].offset

    @property
    def size(self) -> int:
        """Return how many bytes its values have."""
        return sum(record.size for record in self.records)


class ChunkCutter:
    """The open chunk of one topic partition.

    A record begins a new chunk when its timestamp lies beyond the slot of the open one, or when
    the open one would become too large with it. Slots never go back: a record with a timestamp
    before the newest slot belongs to that.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        next_offset: int,
        seconds: int,
        newest_start: int = 0,
        largest_bytes: int = LARGEST_CHUNK_BYTES,
    ) -> None:
        """Go on at `next_offset`; `newest_start` is that of the chunk before, 0 without one."""
        self.topic = topic
        self.partition = partition
        self.next_offset = next_offset
        self._seconds = seconds
        self._start = newest_start
        self._largest_bytes = largest_bytes
        self._begins_after = next_offset
        self._records: list[ArchivedRecord] = []
        self._size = 0

    @property
    def end(self) -> int | None:
        """Return where the open chunk's slot ends, in seconds; None where no chunk is open."""
        return self._start + self._seconds if self._records else None

    @property
    def oldest(self) -> int | None:
        """Return the timestamp of the open chunk's first record, None where no chunk is open."""
        return self._records[0].timestamp if self._records else None

    def take(self, record: ArchivedRecord) -> Chunk | None:
        """Take the next record; return the chunk that ended before it.

        A record that was taken before is passed over.
        """
        if record.offset < self.next_offset:
            return None
        second = record.timestamp // 1000
        start = max(self._start, second - second % self._seconds)
        finished = None
        if start > self._start or self._size + record.size > self._largest_bytes:
            finished = self.finish()
        self._start = start
        self._records.append(record)
        self._size += record.size
        self.next_offset = record.offset + 1
        return finished

    def finish(self) -> Chunk | None:
        """End the open chunk and return it, None where none is open."""
        if not self._records:
            return None
        chunk = Chunk(self.topic, self.partition, self._start, self._begins_after, self._records)
        self._records = []
        self._size = 0
        self._begins_after = self.next_offset
        return chunk

    def skip_to(self, offset: int) -> Chunk | None:
        """Go on at `offset`, since what lies before it is gone; return the chunk that ended."""
        finished = self.finish()
        self.next_offset = self._begins_after = offset
        return finished
