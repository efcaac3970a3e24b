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
        )
        for name, text, count in plain:
            yield CounterMetricFamily(f"cointide_gateway_{name}", text, value=count)
        gauges = (
            ("clients", "Websocket clients", len(gateway.hub.clients)),
            ("buckets", "Clients whose rate is remembered", len(gateway.buckets)),
            (
                "bars_bytes",
                "Memory of bars and indicators",
                memory.bars.memory_bytes() + memory.indicators.memory_bytes(),
            ),
            ("returns_bytes", "Memory of returns", memory.returns.memory_bytes()),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"cointide_gateway_{name}", text, value=value)


def registry_of(gateway: Gateway) -> CollectorRegistry:
    """Return the gateway's counts as a registry."""
    registry = CollectorRegistry()
    registry.register(_Counts(gateway))
    return registry
