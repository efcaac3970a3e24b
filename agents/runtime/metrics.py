"""What an agent's worker counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class WorkerMetrics:
    """The metrics of one worker process."""

    def __init__(self, agent: str) -> None:
        """Register everything, labelled with the agent's name."""
        self.registry = CollectorRegistry()
        self.records = Counter(
            "cointide_records", "Kafka records taken", ["agent"], registry=self.registry
        ).labels(agent)
        self.seconds = Counter(
            "cointide_closed_seconds", "Source seconds closed", ["agent"], registry=self.registry
        ).labels(agent)
        self.outputs = Counter(
            "cointide_outputs", "Records published", ["agent"], registry=self.registry
        ).labels(agent)
        self.partitions = Gauge(
            "cointide_partitions", "Partitions owned", ["agent"], registry=self.registry
        ).labels(agent)
        self._dead = Counter(
            "cointide_dead_letters",
            "Input sent to dead_letters",
            ["agent", "reason"],
            registry=self.registry,
        )
        self._agent = agent

    def dead_letter(self, reason: str) -> None:
        """Count one dead letter."""
        self._dead.labels(self._agent, reason).inc()
