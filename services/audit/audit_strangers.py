"""The audit of rows that no source can have published: of an exchange or partition that is none."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from models.topics import SPREADS
from services.audit.derived_rows import derived_rows, times
from services.audit.found import TopicFound
from services.audit.snapshot import Snapshot


class StrangersAudit:
    """The audit of one topic for what stands in the log beside its sources."""

    def __init__(
        self, archive: Snapshot, topic: str, sources: Sequence[tuple[str, int]], market: str | None
    ) -> None:
        """`sources` are exchanges and partitions, every exchange with every partition."""
        self._archive = archive
        self._topic = topic
        self._exchanges = sorted({exchange for exchange, _ in sources})
        self._partitions = {partition for _, partition in sources}
        self._market = market

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        series = ("exchange", "market") + (() if self._topic == SPREADS.name else ("interval",))
        partitions = {name.partition for name in self._archive.names(self._topic)}
        for partition in sorted(partitions):
            equal = {"market": self._market}
            rows: pd.DataFrame = derived_rows(
                self._archive, self._topic, partition, begin, until, series, equal
            ).once
            if partition in self._partitions:
                rows = rows[~rows["exchange"].isin(self._exchanges)]
            names = rows[list(series[1:])].astype(str).to_numpy().tolist()
            found.extra.take(list(map(" ".join, names)), times(rows))
