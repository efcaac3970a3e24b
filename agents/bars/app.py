"""The bars agent's composition root."""

from __future__ import annotations

from agents.bars.worker import BarsWorker
from agents.runtime.app import AgentApp, FaustLog, agent_app, run_worker
from agents.runtime.health import add_pages
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.tables import StepTable
from models.settings import Settings
from models.topics import CANDLES, exchange_topics


def main(settings: Settings, brokers: str) -> None:
    """Run one worker of the bars agent; returns only by exiting the process."""
    metrics = WorkerMetrics("bars")

    def make_worker(_app: AgentApp, log: FaustLog, table: StepTable) -> BarsWorker:
        return BarsWorker(settings, log, table.remember, metrics)

    topics = [exchange_topics(exchange)[1].name for exchange in settings.exchanges]
    app = agent_app(settings, "bars", [*topics, CANDLES.name], brokers, make_worker, decides=True)
    add_pages(app, metrics.registry)
    run_worker(app, settings)
