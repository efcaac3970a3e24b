"""What the simulator counts, collected when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from services.simulator.connections import Connections
from services.simulator.world import World

_COUNTED = ("opened", "refused", "slow", "writes", "frames", "bytes", "ticks", "lost_ticks")


class _Counts(Collector):
    def __init__(self, world: World, connections: Connections, now: Callable[[], int]) -> None:
        self._world = world
        self._connections = connections
        self._now = now

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        counters = self._connections.counters.items()
        sent = CounterMetricFamily(
            "cointide_simulator", "Connections, frames and ticks", labels=["exchange", "what"]
        )
        for exchange, counts in counters:
            for what in _COUNTED:
                sent.add_metric([exchange, what], getattr(counts, what))
        yield sent
        clients = GaugeMetricFamily(
            "cointide_simulator_clients", "Open connections", labels=["exchange"]
        )
        for exchange, counts in counters:
            clients.add_metric([exchange], counts.open)
        yield clients
        yield GaugeMetricFamily(
            "cointide_simulator_behind_seconds",
            "How far simulated time is behind the clock",
            value=(self._now() - self._world.model.time) / 1e9,
        )


def registry_of(
    world: World, connections: Connections, now: Callable[[], int]
) -> CollectorRegistry:
    """Return the simulator's counts as a registry."""
    registry = CollectorRegistry()
    registry.register(_Counts(world, connections, now))
    return registry
