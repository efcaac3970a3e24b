"""What an agent's worker counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DELAYS_S = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300)


class WorkerMetrics:
    """The metrics of one worker process."""

    def __init__(self, agent: str, now: Callable[[], float] = time.time) -> None:
        """Register everything, labelled with the agent's name; `now` is in seconds."""
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
        self._delay = Histogram(
            "cointide_step_delay_seconds",
            "From the end of what a step is about to its being in Kafka",
            ["agent"],
            buckets=_DELAYS_S,
            registry=self.registry,
        ).labels(agent)
        self._now = now
        self._agent = agent

    def published(self, end_s: float) -> None:
        """Note how late a step is in Kafka; `end_s` is what it ends with, since the epoch."""
        self._delay.observe(max(0.0, self._now() - end_s))

    def dead_letter(self, reason: str) -> None:
        """Count one dead letter."""
        self._dead.labels(self._agent, reason).inc()
