"""What a worker of ingestion counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from agents.ingestion.line import ExchangeLine
from models.markets import exchange_of


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
        self._candle_requests = Counter(
            "cointide_candle_requests", "Requests for candles", ["exchange"], registry=self.registry
        )
        self._candle_failures = Counter(
            "cointide_candle_failures",
            "Requests for candles that failed",
            ["exchange", "reason"],
            registry=self.registry,
        )
        self._candles = Counter(
            "cointide_candles", "Candles written", ["exchange"], registry=self.registry
        )
        self._dead = Gauge(
            "cointide_dead_frames",
            "Frames that could not be read, since the start",
            ["exchange", "reason"],
            registry=self.registry,
        )

    def candle_request(self, exchange: str) -> None:
        """Count a request for candles."""
        self._candle_requests.labels(exchange).inc()

    def candle_failure(self, exchange: str, reason: str) -> None:
        """Count a request for candles that was refused, not answered or answered wrongly."""
        self._candle_failures.labels(exchange, reason).inc()

    def candles_written(self, market: str, count: int) -> None:
        """Count candles of a market that were written, once for all partitions."""
        self._candles.labels(exchange_of(market)).inc(count)

    def bad_market(self) -> None:
        """Count a record of `markets` that could not be read."""
        self._bad_markets.inc()

    def observe(self, line: ExchangeLine) -> None:
        """Take over what a line has counted."""
        for what, count in line.counts.items():
            self._line.labels(line.exchange, what).set(count)
        for reason, count in line.dead.counts.items():
            self._dead.labels(line.exchange, reason).set(count)
