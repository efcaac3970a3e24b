"""What a worker of the archive counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from agents.runtime.metrics import WorkerMetrics
from models.archive.manifest import Entry


class ArchiveMetrics(WorkerMetrics):
    """The metrics of one worker process."""

    def __init__(self) -> None:
        """Register everything."""
        super().__init__("archive")
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
            "Record values of finished chunks that are not archived",
            registry=self.registry,
        )
        self.lost = Counter(
            "cointide_archive_lost_offsets",
            "Offsets that Kafka deleted before they were archived",
            ["topic"],
            registry=self.registry,
        )
        self._chunks = Counter(
            "cointide_archive_chunks", "Chunks archived", ["topic"], registry=self.registry
        )
        self._archived = Counter(
            "cointide_archive_records", "Records archived", ["topic"], registry=self.registry
        )
        self._bytes = Counter(
            "cointide_archive_bytes", "Bytes of data files", ["topic"], registry=self.registry
        )

    def archived(self, entry: Entry) -> None:
        """Count one chunk."""
        self._chunks.labels(entry.topic).inc()
        self._archived.labels(entry.topic).inc(entry.records)
        self._bytes.labels(entry.topic).inc(sum(file.bytes for file in entry.files))
