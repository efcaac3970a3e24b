"""What a worker that writes to Cassandra counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

from agents.archive.metrics import StoreMetrics

AGENT = "archive-cassandra"


class CassandraMetrics(StoreMetrics):
    """The metrics of one worker process."""

    def __init__(self) -> None:
        """Register everything."""
        super().__init__(AGENT)
        self.rows = Counter(
            "cointide_archive_rows", "Rows written to a table", ["table"], registry=self.registry
        )
        self.repeats = Counter(
            "cointide_archive_repeats",
            "Records that were sent twice, and are written once",
            ["topic"],
            registry=self.registry,
        )
