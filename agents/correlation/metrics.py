"""What a worker of correlation counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from agents.runtime.metrics import WorkerMetrics


class CorrelationMetrics(WorkerMetrics):
    """The metrics of one worker process."""

    def __init__(self) -> None:
        """Register everything."""
        super().__init__("correlation")
        self._steps = Counter(
            "cointide_correlation_steps", "Steps published", ["table"], registry=self.registry
        )
        self._step_seconds = Gauge(
            "cointide_correlation_step_seconds",
            "How long the newest step took to compute",
            ["table"],
            registry=self.registry,
        )
        self._masked = Counter(
            "cointide_correlation_masked",
            "Sources without which a row was made",
            ["table"],
            registry=self.registry,
        )
        self._cut = Counter(
            "cointide_correlation_cut",
            "Pairs whose correlation was cut to [-1, 1]",
            ["table"],
            registry=self.registry,
        )

    def masked(self, table: str, sources: int) -> None:
        """Count the sources without which a row was made."""
        self._masked.labels(table).inc(sources)

    def step(self, table: str, seconds: float, cut: int) -> None:
        """Count one step; `cut` as in `Matrices`."""
        self._steps.labels(table).inc()
        self._step_seconds.labels(table).set(seconds)
        self._cut.labels(table).inc(cut)
