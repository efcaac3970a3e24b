"""The composition root of ingestion."""

from __future__ import annotations

from agents.ingestion.handover import find_last_bursts
from agents.ingestion.metrics import IngestionMetrics
from agents.ingestion.worker import IngestionWorker
from agents.runtime.app import AgentApp, FaustLog, agent_app, run_worker
from agents.runtime.health import add_pages
from agents.runtime.tables import StepTable
from models.settings import Settings
from models.topics import MARKETS


def main(settings: Settings, brokers: str) -> None:
    """Run one worker of ingestion; returns only by exiting the process."""
    metrics = IngestionMetrics()

    def make_worker(app: AgentApp, log: FaustLog, table: StepTable) -> IngestionWorker:
        return IngestionWorker(
            settings,
            log,
            table.remember,
            lambda exchange, partitions: find_last_bursts(brokers, settings, exchange, partitions),
            lambda: max(app.consumer_generation_id, 0),
            metrics,
        )

    app = agent_app(settings, "ingestion", [MARKETS.name], brokers, make_worker)
    add_pages(app, metrics.registry)
    run_worker(app, settings)
