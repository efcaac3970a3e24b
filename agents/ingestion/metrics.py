"""What a worker of ingestion counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from agents.ingestion.line import ExchangeLine


class IngestionMetrics:
    """The metrics of one worker process."""

    def __init__(self) -> None:
        """Register everything."""
        self.registry = CollectorRegistry()
        self.partitions = Gauge(
            "cointide_partitions", "Partitions owned", ["agent"], registry=self.registry
        ).labels("ingestion")
        self._bad_markets = Counter(
            "cointide_bad_markets", "Records of markets that are none", registry=self.registry
        )
        self._line = Gauge(
            "cointide_ingestion",
            "Frames, gaps and lost trades since the start",
            ["exchange", "what"],
            registry=self.registry,
        )
        self._dead = Gauge(
            "cointide_dead_frames",
            "Frames that could not be read, since the start",
            ["exchange", "reason"],
            registry=self.registry,
        )

    def bad_market(self) -> None:
        """Count a record of `markets` that could not be read."""
        self._bad_markets.inc()

    def observe(self, line: ExchangeLine) -> None:
        """Take over what a line has counted."""
        for what, count in line.counts.items():
            self._line.labels(line.exchange, what).set(count)
        for reason, count in line.dead.counts.items():
            self._dead.labels(line.exchange, reason).set(count)
