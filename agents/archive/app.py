"""The archive agent's composition root."""

from __future__ import annotations

from agents.archive.manifest import Manifest
from agents.archive.metrics import ArchiveMetrics
from agents.archive.store import open_store
from agents.archive.worker import ArchiveWorker
from agents.runtime.app import AgentApp, FaustLog, agent_app, run_worker
from agents.runtime.health import add_pages
from agents.runtime.tables import StepTable
from models.archive.rendering import archived_topics
from models.errors import SettingsError
from models.settings import Settings

_HOUR = 3600


def main(settings: Settings, brokers: str) -> None:
    """Run one worker of the archive agent; returns only by exiting the process.

    Raises:
        SettingsError: `archive_url` is no address, or `archive_chunk_s` does not divide an hour.
    """
    if _HOUR % settings.archive_chunk_s:
        raise SettingsError(
            f"expected archive_chunk_s to divide {_HOUR}, was {settings.archive_chunk_s}"
        )
    metrics = ArchiveMetrics()
    manifest = Manifest(open_store(settings))
    topics = archived_topics(settings.exchanges)
    workers: list[ArchiveWorker] = []

    def make_worker(_app: AgentApp, log: FaustLog, table: StepTable) -> ArchiveWorker:
        worker = ArchiveWorker(
            settings,
            topics,
            log,
            manifest,
            table.remember,
            log.end_offset,
            metrics,
        )
        workers.append(worker)
        return worker

    app = agent_app(settings, "archive", topics, brokers, make_worker)
    add_pages(
        app,
        metrics.registry,
        lambda: ["archive"] if any(worker.is_degraded for worker in workers) else [],
    )
    run_worker(app, settings.log_level)
