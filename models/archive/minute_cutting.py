"""Cuts spreads and matrices into minutes of one source."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models.archive.chunks import ArchivedRecord
from models.archive.series_cutting import (
    MINUTE_US,
    Head,
    Reach,
    ResumePoint,
    SeriesCutter,
    Unit,
)
from models.topics import CORRELATIONS


class _OpenMinute(msgspec.Struct):
    """A minute of one source of which more may come."""

    minute: int
    first_offset: int
    continues: bool
    timestamp: int
    records: list[ArchivedRecord]
    partial: dict[int, ArchivedRecord]
    partial_as_of: int = 0


class MinuteCutter(SeriesCutter):
    """Spreads and matrices: a minute is finished when its source has a record of a later one.

    It is finished before that when the source, or the whole partition, has fallen silent; what
    comes of the minute afterwards continues it. Of the matrices of a minute the last one that is
    complete counts.
    """

    def __init__(self, resume: ResumePoint) -> None:
        super().__init__(resume)
        self._open: dict[str, _OpenMinute] = {}

    def _add(self, record: ArchivedRecord, head: Head, as_of: int) -> None:
        source = head.table or head.exchange
        self._finish_silent(source, record.timestamp)
        known = self._reaches.get(source)
        minute = as_of - as_of % MINUTE_US
        opened = self._open.get(source)
        if (known is not None and as_of < known.end) or (
            opened is not None and as_of < opened.partial_as_of
        ):
            self.repeats += 1
            return
        if opened is not None and opened.minute < minute:
            self._finish(source, is_over=True)
            opened = None
        if opened is None:
            continues = known is not None and known.end > minute
            opened = _OpenMinute(minute, record.offset, continues, 0, [], {})
            self._open[source] = opened
        opened.timestamp = max(opened.timestamp, record.timestamp)
        if self.topic == CORRELATIONS.name:
            self._add_block(opened, record, head, as_of)
            if opened.partial:
                return
        else:
            opened.records.append(record)
        self._reaches_to(source, record, as_of)

    def _add_block(
        self, opened: _OpenMinute, record: ArchivedRecord, head: Head, as_of: int
    ) -> None:
        """Add a block; a matrix that is complete with it takes the place of the one before."""
        if as_of > opened.partial_as_of:
            opened.partial_as_of, opened.partial = as_of, {}
        opened.partial.setdefault(head.block, record)
        if len(opened.partial) >= head.blocks:
            opened.records, opened.partial = list(opened.partial.values()), {}

    def _finish(self, source: str, is_over: bool) -> None:
        opened = self._open.pop(source)
        if opened.partial and not is_over:
            # The rest of a matrix may still come.
            first = next(iter(opened.partial.values())).offset
            self._open[source] = msgspec.structs.replace(opened, first_offset=first, records=[])
            if not opened.records:
                return
        reach = self._reaches.get(source)
        if reach is not None and is_over:
            # Nothing of this minute is still to come.
            end = max(reach.end, opened.minute + MINUTE_US)
            reach = self._reaches[source] = Reach(reach.first, end)
        reaches = {} if reach is None else {source: reach}
        self.finished.append(
            Unit(opened.first_offset, opened.records, reaches, opened.minute, opened.continues)
        )

    def _finish_silent(self, source: str, timestamp: int) -> None:
        silent = [
            other
            for other, opened in self._open.items()
            if other != source and timestamp - opened.timestamp > self._idle_ms
        ]
        for other in silent:
            self._finish(other, is_over=False)

    def _finish_all(self) -> None:
        for source in list(self._open):
            self._finish(source, is_over=False)

    def _open_offsets(self) -> Iterable[int]:
        return [opened.first_offset for opened in self._open.values()]

    def _open_records(self) -> Iterable[ArchivedRecord]:
        return [
            record
            for opened in self._open.values()
            for record in (*opened.records, *opened.partial.values())
        ]
