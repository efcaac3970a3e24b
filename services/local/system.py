"""What a whole system on one machine consists of, by where its frames come from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Literal

from models.settings import Settings
from services.local.workers import AGENTS, Worker, workers_of
from services.simulator.urls import simulated_urls

Source = Literal["simulated", "live", "none"]
_COMPACTION_S = 3600
"""An hour of a partition is merged once it is over."""
SOURCES: tuple[Source, ...] = ("simulated", "live", "none")


def system_of(settings: Settings, source: Source, counts: Mapping[str, int]) -> list[Worker]:
    """Return the processes besides Kafka; `counts` are the workers of each agent.

    Without a source nothing is ingested: frames come from `cointide replay`.
    """
    command = [sys.executable, "-m", "services.cli"]
    processes: list[Worker] = []
    if source == "simulated":
        processes.append(
            Worker(
                "simulator",
                [*command, "simulator"],
                port_setting="simulator_port",
                wanted_port=settings.simulator_port,
            )
        )
    if source != "none":
        every = f"{settings.markets_refresh_s:g}"
        sync = [*command, "markets", "sync", "--every", every]
        processes.append(Worker("markets", sync, port_setting=None))
    for agent in AGENTS.values():
        if agent.name == "ingestion" and source == "none":
            continue
        if agent.needs_cassandra and settings.cassandra == "off":
            continue
        processes.extend(workers_of(agent, counts[agent.name]))
    compact = [*command, "archive", "compact", "--every", str(_COMPACTION_S)]
    processes.append(Worker("compaction", compact, port_setting=None))
    processes.append(
        Worker(
            "gateway",
            [*command, "gateway"],
            port_setting="gateway_port",
            wanted_port=settings.gateway_port,
            ready_path="/v1/ready",
        )
    )
    return processes


def shared_settings(source: Source, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the settings, by name, that every process of such a system has."""
    simulated = simulated_urls(ports["simulator"]) if source == "simulated" else {}
    return {"source": source, **simulated}
