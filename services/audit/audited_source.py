"""One exchange and partition, as the audits of its derived topics read it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from models.archive.tick_tables import Kind
from services.audit.derived_rows import Rows, derived_rows
from services.audit.snapshot import Snapshot
from services.audit.source_past import TopicPast


class AuditedSource(msgspec.Struct, frozen=True):
    """A source of which rows with an `as_of` in `[start, end)`, nanoseconds, are audited.

    With a `market` only the rows of that one.
    """

    archive: Snapshot
    exchange: str
    partition: int
    start: int
    end: int
    market: str | None = None

    def rows(
        self,
        topic: str,
        begin: int,
        until: int,
        columns: Sequence[str],
        interval: str | None = None,
    ) -> Rows:
        """Return what it has published with an `as_of` in `[begin, until)`, as `derived_rows`."""
        equal = {"exchange": self.exchange, "market": self.market}
        if interval is not None:
            equal["interval"] = interval
        return derived_rows(self.archive, topic, self.partition, begin, until, columns, equal)

    def reached(self, topic: str, since: int | None = None) -> int | None:
        """Return its last `as_of` in `[since, end)`, without `since` from `start` on."""
        start = self.start if since is None else since
        entries = list(self.archive.of_partition(topic, self.partition, start, self.end))
        for entry in reversed(entries):
            table = self.archive.table(entry, topic, ["as_of", "exchange"])
            if table is None:
                continue
            as_of = pc.multiply(pc.cast(table["as_of"], pa.int64()), 1_000)
            within = pc.and_(pc.greater_equal(as_of, start), pc.less(as_of, self.end))
            mine = as_of.filter(pc.and_(within, pc.equal(table["exchange"], self.exchange)))
            if len(mine):
                return int(pc.max(mine).as_py())
        return None

    def clock(self, kinds: Sequence[Kind]) -> int:
        """Return up to when (ns) its archived bursts of all these kinds say all; 0 without any."""
        return min(self.archive.clock(f"{self.exchange}_{kind}", self.partition) for kind in kinds)

    def ticks(self, kind: Kind, since: int, market: str | None = None) -> TopicPast:
        """Return its ticks from `since` on, to be read slice by slice; of one market or of all."""
        return TopicPast(self.archive, (self.exchange, self.partition), kind, since, market)
