"""The agents that the local stack runs, as one declared table, and how their workers start."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
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


AGENTS = {agent.name: agent for agent in (Agent("spread", "agents.spread.app"),)}


@dataclass(frozen=True)
class Worker:
    """One process of an agent (or of anything else) that tells on a port when it is ready."""

    name: str
    argv: Sequence[str]


def workers_of(agent: Agent, count: int) -> list[Worker]:
    """Return so many workers of an agent, named `spread-0`, `spread-1` and so on."""
    argv = [sys.executable, "-m", "services.cli", "agent", agent.name]
    return [Worker(f"{agent.name}-{number}", argv) for number in range(count)]


def worker_plan(worker: Worker, settings: Settings, brokers: str, port: int) -> ProcessPlan:
    """Return how a worker runs against these brokers, with its health server on `port`.

    Its name is also its instance: a worker that is started again takes its own place in the
    consumer group at once, instead of waiting until the dead one is noticed.
    """
    own = {
        "KAFKA_BROKERS": brokers,
        "AGENT_HOST": LOOPBACK,
        "AGENT_PORT": str(port),
        "INSTANCE": worker.name,
        "DATA_DIR": str(settings.data_dir.absolute()),
        "JARS_DIR": str(settings.jars_dir.absolute()),
    }
    environment = {
        **os.environ,
        **environment_of(settings),
        **{ENVIRONMENT_PREFIX + name: value for name, value in own.items()},
        # Else what a worker prints would reach its log only when a buffer is full.
        "PYTHONUNBUFFERED": "1",
    }
    return ProcessPlan(
        name=worker.name,
        argv=worker.argv,
        ready=lambda: answers_ready(port),
        environment=environment,
    )


def answers_ready(port: int) -> bool:
    """Return whether the health server on this port answers `/ready` with 200."""
    if not is_listening(port):
        return False
    try:
        with urllib.request.urlopen(
            f"http://{LOOPBACK}:{port}/ready", timeout=_PROBE_LIMIT_S
        ) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
