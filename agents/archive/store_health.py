"""Whether a worker's store can be used: told to people when that changes, tried again if not."""

from __future__ import annotations

import random

from structlog.typing import FilteringBoundLogger

from agents.archive.metrics import StoreMetrics
from agents.runtime.backoff import Backoff

_LEAST_WAIT_S = 0.5


class StoreHealth:
    """What the last use of the store says of it; `is_degraded` while that failed."""

    def __init__(self, metrics: StoreMetrics, logger: FilteringBoundLogger) -> None:
        """Take the store for usable."""
        self._metrics = metrics
        self._logger = logger
        self._backoff = Backoff(_LEAST_WAIT_S, random.random)
        self.is_degraded = False

    def failed(self, doing: str, error: Exception) -> float:
        """Tell that the store is away; return how long to wait before the next try, in seconds."""
        wait_s = self._backoff.next_wait()
        self.is_degraded = True
        self._metrics.degraded.set(1)
        self._metrics.failures.inc()
        self._logger.warning("store_away", doing=doing, detail=str(error), wait_s=round(wait_s, 3))
        return wait_s

    def succeeded(self) -> None:
        """Tell that the store is back, if it was away."""
        if self.is_degraded:
            self._logger.info("store_back")
        self.is_degraded = False
        self._metrics.degraded.set(0)
        self._backoff.reset()
