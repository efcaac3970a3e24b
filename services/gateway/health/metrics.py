"""What the gateway counts, collected when it is asked for: counting itself costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from services.gateway.gateway import Gateway


class _Counts(Collector):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        gateway, memory = self._gateway, self._gateway.memory
        by_topic = (
            ("cointide_gateway_records", "Kafka records taken", gateway.records),
            ("cointide_gateway_undecodable", "Kafka records not readable", gateway.undecodable),
        )
        for name, text, counts in by_topic:
            family = CounterMetricFamily(name, text, labels=["topic"])
            for topic, count in sorted(counts.items()):
                family.add_metric([topic], count)
            yield family
        reads = CounterMetricFamily(
            "cointide_gateway_history_reads", "Reads of history", labels=["form", "outcome"]
        )
        for (form, outcome), count in sorted(gateway.reads.reads.items()):
            reads.add_metric([form, outcome], count)
        yield reads
        plain = (
            ("outdated_bursts", "Bursts of former owners", memory.outdated),
            ("repeated_seconds", "Seconds of spreads seen before", memory.spreads.repeated),
            (
                "repeated_bars",
                "Bars and indicators seen before",
                memory.bars.repeated + memory.indicators.repeated,
            ),
            (
                "revised_bars",
                "Bars and indicators published anew",
                memory.bars.revised + memory.indicators.revised,
            ),
            ("repeated_matrices", "Blocks of matrices seen before", memory.correlations.repeated),
            (
                "incoherent_matrices",
                "Matrices whose blocks do not fit together",
                memory.correlations.incoherent,
            ),
            ("rate_limited", "Requests refused since there were too many", gateway.buckets.refused),
            ("deliveries", "Messages sent to websocket clients", gateway.hub.tally.deliveries),
            ("conflated", "Values left out for slow clients", gateway.hub.tally.dropped),
            ("history_rows", "Rows of history that were streamed", gateway.reads.rows),
            ("history_bytes", "Bytes of history that were streamed", gateway.reads.bytes),
            ("history_refused", "Reads of history refused as too many", gateway.reads.refused),
            (
                "history_broken_off",
                "Streams of history that ended before their time",
                gateway.reads.broken_off,
            ),
        )
        for name, text, count in plain:
            yield CounterMetricFamily(f"cointide_gateway_{name}", text, value=count)
        gauges = (
            ("ready", "1 once every topic was read to its end", int(gateway.is_ready)),
            ("clients", "Websocket clients", len(gateway.hub.clients)),
            ("buckets", "Clients whose rate is remembered", len(gateway.buckets)),
            (
                "bars_bytes",
                "Memory of bars and indicators",
                memory.bars.memory_bytes() + memory.indicators.memory_bytes(),
            ),
            ("returns_bytes", "Memory of returns", memory.returns.memory_bytes()),
            ("history_open", "Reads of history now", gateway.reads.open),
            ("history_away", "Whether history cannot be read", int(gateway.reads.is_away)),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"cointide_gateway_{name}", text, value=value)


def registry_of(gateway: Gateway) -> CollectorRegistry:
    """Return the gateway's counts as a registry."""
    registry = CollectorRegistry()
    registry.register(_Counts(gateway))
    for histogram in (gateway.latencies.answers, gateway.latencies.ages):
        registry.register(histogram)
    return registry
