"""What a worker of ingestion counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from agents.ingestion.line import ExchangeLine
from models.markets import exchange_of
from models.records.reference import FeedStatus

_SEEN: tuple[FeedStatus, ...] = ("live", "quiet")
_UNSEEN: tuple[FeedStatus, ...] = ("connecting", "stale", "gap", "down")
_SECOND_NS = 1_000_000_000


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
        self._clock_delay = Gauge(
            "cointide_clock_delay_seconds",
            "How far the slowest clock of an exchange's owned sources is behind",
            ["exchange"],
            registry=self.registry,
        )
        self._markets = Gauge(
            "cointide_markets",
            "Markets followed, by the state of their feed",
            ["exchange", "status"],
            registry=self.registry,
        )
        self._coverage = Gauge(
            "cointide_market_coverage",
            "Share of an exchange's followed markets that can be seen at present",
            ["exchange"],
            registry=self.registry,
        )
        self._ticks = Counter(
            "cointide_ticks", "Ticks by kind or flag", ["exchange", "what"], registry=self.registry
        )
        self._reconnects = Counter(
            "cointide_reconnects",
            "Connections to an exchange that were opened again",
            ["exchange"],
            registry=self.registry,
        )
        self._counted: dict[tuple[str, int], Mapping[str, int]] = {}
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

    def clock(self, exchange: str, clocks: Iterable[int], now: int) -> None:
        """Note the clocks of an exchange's sources (ns); without any there is no delay to tell."""
        slowest = min(clocks, default=None)
        if slowest is None:
            self._clock_delay.remove_by_labels({"exchange": exchange})
        else:
            self._clock_delay.labels(exchange).set((now - slowest) / _SECOND_NS)

    def feeds(self, exchange: str, statuses: Mapping[FeedStatus, int]) -> None:
        """Note how many markets of an exchange are in which state."""
        for status in (*_SEEN, *_UNSEEN):
            self._markets.labels(exchange, status).set(statuses.get(status, 0))
        followed = sum(statuses.values())
        if followed:
            seen = sum(statuses.get(status, 0) for status in _SEEN)
            self._coverage.labels(exchange).set(seen / followed)

    def source(self, exchange: str, partition: int, totals: Mapping[str, int]) -> None:
        """Count what a source has counted since the last call; it may have begun anew.

        `totals` are ticks by kind or flag, and `reconnects`.
        """
        before = self._counted.get((exchange, partition), {})
        for what, total in totals.items():
            was = before.get(what, 0)
            more = total - was if total >= was else total
            if what == "reconnects":
                self._reconnects.labels(exchange).inc(more)
            else:
                self._ticks.labels(exchange, what).inc(more)
        self._counted[exchange, partition] = totals

    def observe(self, line: ExchangeLine) -> None:
        """Take over what a line has counted."""
        for what, count in line.counts.items():
            self._line.labels(line.exchange, what).set(count)
        for reason, count in line.dead.counts.items():
            self._dead.labels(line.exchange, reason).set(count)
