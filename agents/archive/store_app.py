"""How a worker of the archive runs as a process, whatever its store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from agents.archive.metrics import StoreMetrics
from agents.archive.store_worker import StoreWorker
from agents.runtime.app import AgentApp, FaustLog, agent_app, run_worker
from agents.runtime.health import add_pages
from agents.runtime.tables import StepTable
from models.settings import Settings

MakeStoreWorker = Callable[[FaustLog, StepTable], StoreWorker[Any, Any]]


def run_store_worker(
    settings: Settings,
    name: str,
    topics: Iterable[str],
    brokers: str,
    metrics: StoreMetrics,
    make: MakeStoreWorker,
) -> None:
    """Run one worker of the agent `name`; returns only by exiting the process.

    While its store is away it is ready, and says that the archive is degraded.
    """
    workers: list[StoreWorker[Any, Any]] = []

    def make_worker(_app: AgentApp, log: FaustLog, table: StepTable) -> StoreWorker[Any, Any]:
        workers.append(make(log, table))
        return workers[-1]

    app = agent_app(settings, name, topics, brokers, make_worker)
    add_pages(
        app,
        metrics.registry,
        lambda: ["archive"] if any(worker.is_degraded for worker in workers) else [],
    )
    run_worker(app, settings)
