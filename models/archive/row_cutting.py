"""Cuts bars, indicators, returns and feeds record by record."""

from __future__ import annotations

from models.archive.chunks import ArchivedRecord
from models.archive.series_cutting import MINUTE_US, Head, ResumePoint, SeriesCutter, Unit
from models.topics import FEEDS

_TELL_EVERY_US = 10_000_000


class RowCutter(SeriesCutter):
    """Bars, indicators, returns and feeds: what a record says is there for good, or replaced.

    Of feeds only a change counts, which is a `since` that its market did not have before; the
    records between tell how far the feeds are complete.
    """

    def __init__(self, resume: ResumePoint) -> None:
        super().__init__(resume)
        self._since: dict[str, str] = {}
        self._told_at = 0

    def _add(self, record: ArchivedRecord, head: Head, as_of: int) -> None:
        source = head.table or f"{head.exchange}|{head.interval}".rstrip("|")
        reaches = self._reaches_to(source, record, as_of)
        if self.topic == FEEDS.name:
            before, self._since[head.market] = self._since.get(head.market), head.since
            if before == head.since:
                self._is_untold = True
                if as_of >= self._told_at + _TELL_EVERY_US:
                    self._told_at = as_of
                    self._tell()
                return
        self.finished.append(Unit(record.offset, [record], reaches))

    def _may_begin(self, record: ArchivedRecord, as_of: int) -> bool:
        # A bar may be published anew long after its end; what is as new as that has been seen.
        return as_of >= record.timestamp * 1_000 - MINUTE_US

    def _finish_all(self) -> None:
        """Nothing is ever open."""
