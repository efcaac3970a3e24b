"""One topic partition in the archive agent: its open chunk, and those that wait to be written."""

from __future__ import annotations

from collections import deque

from models.archive.chunks import ArchivedRecord, Chunk, ChunkCutter


class ArchiveSource:
    """Cuts what is read; `finished` are the chunks to archive, oldest first."""

    def __init__(self, cutter: ChunkCutter, offset: int) -> None:
        """Read with this cutter; up to `offset` everything is archived."""
        self._cutter = cutter
        self.topic = cutter.topic
        self.partition = cutter.partition
        self.written_up_to = offset
        self.finished: deque[Chunk] = deque()

    @property
    def next_offset(self) -> int:
        """Return the offset after the newest record that was taken."""
        return self._cutter.next_offset

    @property
    def waiting_bytes(self) -> int:
        """Return how many bytes the values of the finished chunks have."""
        return sum(chunk.size for chunk in self.finished)

    @property
    def oldest_timestamp(self) -> int | None:
        """Return Kafka's timestamp of the oldest record that is not archived, in milliseconds."""
        return self.finished[0].records[0].timestamp if self.finished else self._cutter.oldest

    def take(
        self, offset: int, value: bytes | None, timestamp: int = 0, key: bytes | None = None
    ) -> None:
        """Take one record; `timestamp` is Kafka's, in milliseconds."""
        self._add(self._cutter.take(ArchivedRecord(offset, timestamp, key, value)))

    def skip_to(self, offset: int) -> None:
        """Go on at `offset`, as what lies before it is gone."""
        self._add(self._cutter.skip_to(offset))

    def close_idle(self, end_offset: int | None, before: float) -> bool:
        """End the open chunk if its slot ended before this time and the topic holds no more.

        `end_offset` is the end of what the topic holds, None where that is not known, `before`
        in seconds since the epoch. Return whether there is a chunk to write.
        """
        end = self._cutter.end
        if end is None or end > before or end_offset is None or self.next_offset < end_offset:
            return False
        self._add(self._cutter.finish())
        return True

    def done(self) -> None:
        """The oldest finished chunk is archived."""
        self.written_up_to = self.finished.popleft().last_offset + 1

    def _add(self, chunk: Chunk | None) -> None:
        if chunk is not None:
            self.finished.append(chunk)
