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
            ("deliveries", "Messages sent to websocket clients", gateway.hub.tally.deliveries),
            ("conflated", "Values left out for slow clients", gateway.hub.tally.dropped),
        )
        for name, text, count in plain:
            yield CounterMetricFamily(f"cointide_gateway_{name}", text, value=count)
        yield GaugeMetricFamily(
            "cointide_gateway_clients", "Websocket clients", value=len(gateway.hub.clients)
        )


def registry_of(gateway: Gateway) -> CollectorRegistry:
    """Return the gateway's counts as a registry."""
    registry = CollectorRegistry()
    registry.register(_Counts(gateway))
    return registry
