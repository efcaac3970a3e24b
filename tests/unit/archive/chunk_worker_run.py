"""A worker that archives the quotes of captures as chunks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from agents.archive.manifest import Manifest
from agents.archive.metrics import ArchiveMetrics
from agents.archive.store import open_store
from agents.archive.worker import ArchiveWorker
from models.archive.chunks import ArchivedRecord
from models.settings import Settings
from tests.unit.archive.made import captured_records
from tests.unit.archive.store_worker_run import MemoryLog, WorkerRun, running

TOPIC = "kraken_quotes"
CHUNK_S = 10


class ChunkWorkerRun(WorkerRun):
    """Its chunks are of some seconds."""

    def __init__(
        self, settings: Settings, log: MemoryLog, end: int | None, was_written: Callable[[], bool]
    ) -> None:
        super().__init__((TOPIC, 0), log)
        self.settings = settings.model_copy(update={"archive_chunk_s": CHUNK_S})
        self.manifest = Manifest(open_store(self.settings, was_written))
        self.metrics = ArchiveMetrics()
        self.worker = ArchiveWorker(
            self.settings,
            [TOPIC],
            log,
            self.manifest,
            lambda _partition, _key, _step: None,
            lambda _topic, _partition: end,
            self.metrics,
            lambda: self.now,
        )

    def records(self) -> int:
        """Return how many records the manifest says are archived."""
        return sum(entry.records for entry in self.manifest.entries(TOPIC))


def working(
    settings: Settings,
    log: MemoryLog | None = None,
    end: int | None = None,
    was_written: Callable[[], bool] = lambda: False,
) -> AbstractAsyncContextManager[ChunkWorkerRun]:
    """Run a worker that owns partition 0; the topic ends at `end`."""
    return running(ChunkWorkerRun(settings, log or MemoryLog(), end, was_written))


def records() -> list[ArchivedRecord]:
    """Return the records of the captures, of some ten chunks."""
    return captured_records()[TOPIC, 0][:400]
