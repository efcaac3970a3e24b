"""A worker of the archive that runs beside a log in memory, whatever its store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, TypeVar

from agents.archive.metrics import StoreMetrics
from agents.archive.store_worker import StoreWorker
from agents.runtime.base_worker import TopicPartition
from agents.runtime.consumer import RecordBatch
from models.archive.chunks import ArchivedRecord

LIMIT_S = 60.0


class MemoryLog:
    """Kafka, as far as a worker knows it: what it has sent, committed and sought."""

    def __init__(self, beginning: int = 0) -> None:
        self.beginning = beginning
        self.sent: dict[str, list[bytes]] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.sought: list[tuple[str, int, int]] = []

    async def send(
        self,
        topic: str,
        partition: int,  # noqa: ARG002 - the log's form
        key: bytes | None,  # noqa: ARG002
        value: bytes,
    ) -> Awaitable[object]:
        """Take a record."""
        self.sent.setdefault(topic, []).append(value)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take positions."""
        self.committed |= positions

    async def beginnings(self, partitions: Any) -> Mapping[TopicPartition, int]:
        """Return where the topics begin."""
        return dict.fromkeys(partitions, self.beginning)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Take note of a seek."""
        self.sought.append((topic, partition, offset))


class WorkerRun:
    """A worker of one topic partition, and what it works on; `now` is what its clock tells."""

    worker: StoreWorker[Any, Any]
    metrics: StoreMetrics

    def __init__(self, place: TopicPartition, log: MemoryLog) -> None:
        self.topic, self.partition = place
        self.log = log
        self.now = 0.0

    def give(self, records: Sequence[ArchivedRecord]) -> None:
        """Hand over records as one batch of a fetch."""
        made: list[Any] = [
            SimpleNamespace(
                offset=each.offset, timestamp=each.timestamp, key=each.key, value=each.value
            )
            for each in records
        ]
        self.worker.take(self.topic, RecordBatch(self.topic, self.partition, made))

    def counted(self, name: str, **labels: str) -> float:
        """Return a metric, 0 without it."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


AnyRun = TypeVar("AnyRun", bound=WorkerRun)


@asynccontextmanager
async def running(run: AnyRun) -> AsyncIterator[AnyRun]:
    """Let a worker own its partition, with nothing in its changelog, and run."""
    await run.worker.open([run.partition], {})
    task = asyncio.create_task(run.worker.run(lambda: False))
    try:
        yield run
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)
    assert condition(), f"expected {what} within {LIMIT_S:.0f} s"
