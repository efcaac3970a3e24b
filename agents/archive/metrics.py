"""What a worker of the archive counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from agents.runtime.metrics import WorkerMetrics
from models.archive.manifest import Entry


class StoreMetrics(WorkerMetrics):
    """What both workers of the archive count."""

    def __init__(self, agent: str) -> None:
        """Register everything, labelled with the agent's name."""
        super().__init__(agent)
        self.degraded = Gauge(
            "cointide_archive_degraded",
            "1 while the store cannot be read or written",
            registry=self.registry,
        )
        self.failures = Counter(
            "cointide_archive_failures",
            "Tries to read or write the store that failed",
            registry=self.registry,
        )
        self.waiting_bytes = Gauge(
            "cointide_archive_waiting_bytes",
            "Record values that can be written and are not",
            registry=self.registry,
        )
        self.lost = Counter(
            "cointide_archive_lost_offsets",
            "Offsets that Kafka deleted before they were archived",
            ["topic"],
            registry=self.registry,
        )
        self._records = Counter(
            "cointide_archive_records", "Records archived", ["topic"], registry=self.registry
        )
        self._bytes = Counter(
            "cointide_archive_bytes",
            "Bytes written of what was archived",
            ["topic"],
            registry=self.registry,
        )
        self._behind_seconds = Gauge(
            "cointide_archive_behind_seconds",
            "How long ago the oldest record came that was read and is not archived",
            ["topic"],
            registry=self.registry,
        )
        self._behind_offsets = Gauge(
            "cointide_archive_behind_offsets",
            "Records of the owned partitions that are not archived",
            ["topic"],
            registry=self.registry,
        )

    def wrote(self, topic: str, records: int, size: int) -> None:
        """Count records that were archived, and the bytes that this took."""
        self._records.labels(topic).inc(records)
        self._bytes.labels(topic).inc(size)

    def behind(self, topic: str, offsets: int, seconds: float) -> None:
        """Say how far the archive of a topic is behind."""
        self._behind_offsets.labels(topic).set(offsets)
        self._behind_seconds.labels(topic).set(seconds)


class ArchiveMetrics(StoreMetrics):
    """The metrics of one worker process that writes Parquet."""

    def __init__(self) -> None:
        """Register everything."""
        super().__init__("archive")
        self._chunks = Counter(
            "cointide_archive_chunks", "Chunks archived", ["topic"], registry=self.registry
        )

    def archived(self, entry: Entry) -> None:
        """Count one chunk."""
        self._chunks.labels(entry.topic).inc()
        self.wrote(entry.topic, entry.records, sum(file.bytes for file in entry.files))
