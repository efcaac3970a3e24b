"""The agents that the local stack runs, as one declared table, and how their workers start."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.settings import ENVIRONMENT_PREFIX, Settings, environment_of
from services.local.ports import LOOPBACK, is_listening
from services.local.processes import ProcessPlan

_PROBE_LIMIT_S = 2.0


@dataclass(frozen=True)
class Agent:
    """One agent: its name, and the module whose `main(settings, brokers)` runs it."""

    name: str
    module: str
    needs_cassandra: bool = False


AGENTS = {
    agent.name: agent
    for agent in (
        Agent("ingestion", "agents.ingestion.app"),
        Agent("spread", "agents.spread.app"),
        Agent("bars", "agents.bars.app"),
        Agent("correlation", "agents.correlation.app"),
        Agent("archive", "agents.archive.app"),
        Agent("archive-cassandra", "agents.archive.cassandra.app", needs_cassandra=True),
    )
}


@dataclass(frozen=True)
class Worker:
    """One process that tells on a port when it is ready; without a port it is at once.

    `port_setting` is the setting that tells the process its port, `wanted_port` the one it is to
    have (0 for any), `ready_path` where it answers 200 when it is ready. One that needs Cassandra
    is started once the schema of the archive is there.
    """

    name: str
    argv: Sequence[str]
    port_setting: str | None = "agent_port"
    wanted_port: int = 0
    ready_path: str = "/ready"
    needs_cassandra: bool = False


def workers_of(agent: Agent, count: int) -> list[Worker]:
    """Return so many workers of an agent, named `spread-0`, `spread-1` and so on."""
    argv = [sys.executable, "-m", "services.cli", "agent", agent.name]
    return [
        Worker(f"{agent.name}-{number}", argv, needs_cassandra=agent.needs_cassandra)
        for number in range(count)
    ]


def errand_plan(name: str, words: Sequence[str], settings: Settings) -> ProcessPlan:
    """Return how a command of `cointide` that has an end of its own runs with these settings."""
    found = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    return ProcessPlan(
        name,
        [sys.executable, "-m", "services.cli", *words],
        ready=lambda: True,
        environment={**os.environ, **environment_of(found), "PYTHONUNBUFFERED": "1"},
    )


def worker_plan(
    worker: Worker,
    settings: Settings,
    brokers: str,
    port: int,
    shared: Mapping[str, str] | None = None,
) -> ProcessPlan:
    """Return how a worker runs against these brokers, with its server on `port`.

    `shared` are settings, by name, that every process of this stack has.

    Its name is also its instance: a worker that is started again takes its own place in the
    consumer group at once, instead of waiting until the dead one is noticed.
    """
    own = {
        **(shared or {}),
        "kafka_brokers": brokers,
        "agent_host": LOOPBACK,
        "gateway_host": LOOPBACK,
        "simulator_host": LOOPBACK,
        # On one machine nobody waits for clients to move to another gateway.
        "gateway_drain_s": "1",
        "instance": worker.name,
        "data_dir": str(settings.data_dir.absolute()),
        "jars_dir": str(settings.jars_dir.absolute()),
    }
    if worker.port_setting is not None:
        own[worker.port_setting] = str(port)
    environment = {
        **os.environ,
        **environment_of(settings),
        **{ENVIRONMENT_PREFIX + name.upper(): value for name, value in own.items()},
        # Else what a worker prints would reach its log only when a buffer is full.
        "PYTHONUNBUFFERED": "1",
    }
    return ProcessPlan(
        name=worker.name,
        argv=worker.argv,
        ready=lambda: worker.port_setting is None or answers_ready(port, worker.ready_path),
        environment=environment,
    )


def answers_ready(port: int, path: str = "/ready") -> bool:
    """Return whether the server on this port answers `path` with 200."""
    if not is_listening(port):
        return False
    try:
        with urllib.request.urlopen(
            f"http://{LOOPBACK}:{port}{path}", timeout=_PROBE_LIMIT_S
        ) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
