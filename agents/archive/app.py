"""The archive agent's composition root."""

from __future__ import annotations

from agents.archive.archived_before import ArchivedBefore
from agents.archive.manifest import Manifest
from agents.archive.metrics import ArchiveMetrics
from agents.archive.store import open_store
from agents.archive.store_app import run_store_worker
from agents.archive.worker import ArchiveWorker
from agents.runtime.app import FaustLog
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
    manifest = Manifest(open_store(settings, ArchivedBefore(brokers, settings)))
    topics = archived_topics(settings.exchanges)

    def make(log: FaustLog, table: StepTable) -> ArchiveWorker:
        return ArchiveWorker(
            settings, topics, log, manifest, table.remember, log.end_offset, metrics
        )

    run_store_worker(settings, "archive", topics, brokers, metrics, make)
