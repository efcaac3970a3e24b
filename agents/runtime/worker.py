"""A worker: takes records, closes seconds, publishes them in the order that makes them exact.

A step's outputs are acknowledged before its changelog record is sent, and that is acknowledged
before positions are committed. What a worker sends twice is the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import msgspec
import structlog

from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.source import AgentDefinition, ClosedStep, Source
from agents.runtime.steps import Step, restore
from models.errors import RecordError
from models.records.dead_letters import Origin, dead_letter
from models.topics import DEAD_LETTERS

TopicPartition = tuple[str, int]
"""A topic without its namespace, and a partition."""

_SECONDS_A_ROUND = 256
_PENDING_LIMIT = 64 * 1024 * 1024


class Log(Protocol):
    """What a worker needs of Kafka; topics are named without their namespace."""

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        """Hand a record to the producer; what is returned is done when it is acknowledged."""
        ...

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit positions."""
        ...

    async def beginnings(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        """Return the first offset that each topic partition still holds."""
        ...


class _Owned(msgspec.Struct):
    """What this worker owns since the last assignment."""

    sources: dict[tuple[str, int], Source]
    by_topic: dict[TopicPartition, Source]
    touched: set[tuple[str, int]]


class Worker:
    """Everything that one process of an agent does, apart from Faust."""

    def __init__(
        self,
        definition: AgentDefinition,
        exchanges: Iterable[str],
        changelog: str,
        log: Log,
        remember: Callable[[int, bytes, Step], None],
        metrics: WorkerMetrics,
        faults: FaultPoints,
    ) -> None:
        """Own nothing yet. `remember` keeps acknowledged steps for the next recovery."""
        self._definition = definition
        self._exchanges = tuple(exchanges)
        self._changelog = changelog
        self._log = log
        self._remember = remember
        self._metrics = metrics
        self._faults = faults
        self._logger = structlog.get_logger(agent=definition.name)
        self._owned = _Owned({}, {}, set())
        self._assignment = 0
        self._uncommitted: dict[TopicPartition, int] = {}
        self._letters: list[tuple[Origin, bytes | None, bytes | None, RecordError]] = []
        self._pending_bytes = 0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._writing = asyncio.Lock()

    async def open(
        self, partitions: Iterable[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> None:
        """Own these partitions: rebuild their sources from the changelog, commit their positions.

        Faust seeks to what is committed right after this.
        """
        self._assignment += 1
        assignment = self._assignment
        wanted = sorted(partitions)
        beginnings = await self._log.beginnings(
            (source_input.topic(exchange), partition)
            for partition in wanted
            for exchange in self._exchanges
            for source_input in self._definition.inputs
        )
        owned = _Owned({}, {}, set())
        for partition in wanted:
            for exchange in self._exchanges:
                source = self._open_source(
                    exchange, partition, mirror.get(partition, {}), beginnings
                )
                owned.sources[exchange, partition] = source
                for topic in source.logs:
                    owned.by_topic[topic, partition] = source
        positions = {
            (topic, source.partition): offset
            for source in owned.sources.values()
            for topic, offset in source.positions().items()
        }
        if positions:
            await self._log.commit(positions)
        if assignment != self._assignment:
            return
        self._forget()
        self._owned = owned
        self._metrics.partitions.set(len(wanted))
        self._logger.info("assigned", partitions=wanted)

    async def revoked(self) -> None:
        """Do as at the end: whatever is given back is rebuilt from the changelog."""
        await self.close()

    async def close(self, limit_seconds: float = 4.0) -> None:
        """Take no more records, finish the step in flight, commit, forget what was in memory."""
        self._owned = _Owned({}, {}, set())
        try:
            async with asyncio.timeout(limit_seconds):
                async with self._writing:
                    await self.commit()
        except TimeoutError:
            self._logger.warning("step_not_finished", limit_seconds=limit_seconds)
        self._assignment += 1
        self._forget()

    def take(self, topic: str, batch: RecordBatch) -> None:
        """Take the records of one fetch; nothing is awaited between a record and its effect."""
        source = self._owned.by_topic.get((topic, batch.partition))
        if source is None:
            return
        log = source.logs[topic]
        for record in batch.records:
            try:
                log.take(record.offset, record.value)
            except RecordError as error:
                origin = Origin(batch.topic, batch.partition, record.offset)
                self._letters.append((origin, record.key, record.value, error))
                self._metrics.dead_letter(error.reason)
                self._logger.warning("dead_letter", reason=error.reason, detail=error.detail)
            if record.value is not None:
                self._pending_bytes += len(record.value)
        self._metrics.records.inc(len(batch.records))
        self._owned.touched.add((source.exchange, source.partition))
        self._work.set()
        if self._pending_bytes > _PENDING_LIMIT:
            self._room.clear()

    async def room(self) -> None:
        """Wait until the work that is not yet written is bounded again."""
        await self._room.wait()

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Close seconds as they become closable, until told to stop."""
        while not should_stop():
            try:
                async with asyncio.timeout(0.25):
                    await self._work.wait()
            except TimeoutError:
                continue
            self._work.clear()
            async with self._writing:
                if await self._round():
                    self._work.set()

    async def commit(self) -> None:
        """Commit the positions of the steps that are acknowledged."""
        positions, self._uncommitted = self._uncommitted, {}
        if positions:
            await self._log.commit(positions)

    async def _round(self) -> bool:
        """Close what can be closed, up to a bound; return whether more is left."""
        owned, assignment = self._owned, self._assignment
        more = False
        closed: list[tuple[Source, ClosedStep]] = []
        for key in sorted(owned.touched):
            source = owned.sources[key]
            steps = source.close(_SECONDS_A_ROUND)
            closed.extend((source, step) for step in steps)
            if source.closable():
                more = True
            else:
                owned.touched.discard(key)
        self._pending_bytes = 0
        self._room.set()
        await self._send_letters()
        if not closed:
            return more
        await _acknowledged(
            [
                await self._log.send(output.topic, source.partition, output.key, output.value)
                for source, step in closed
                for output in step.outputs
            ]
        )
        self._faults.reached("outputs_acknowledged")
        if assignment != self._assignment:
            return False
        await _acknowledged(
            [
                await self._log.send(
                    self._changelog, source.partition, step.changelog_key, step.changelog_value
                )
                for source, step in closed
            ]
        )
        self._faults.reached("changelog_acknowledged")
        for source, step in closed:
            self._remember(source.partition, step.changelog_key, step.step)
            if assignment == self._assignment:
                for topic, position in step.step.positions.items():
                    self._uncommitted[topic, source.partition] = position.offset
        self._metrics.seconds.inc(len(closed))
        self._metrics.outputs.inc(sum(len(step.outputs) for _, step in closed))
        return more

    async def _send_letters(self) -> None:
        letters, self._letters = self._letters, []
        await _acknowledged(
            [
                await self._log.send(
                    DEAD_LETTERS.name,
                    0,
                    None,
                    dead_letter(error.reason, error.detail, origin, key, value),
                )
                for origin, key, value, error in letters
            ]
        )

    def _open_source(
        self,
        exchange: str,
        partition: int,
        steps: Mapping[bytes, Step],
        beginnings: Mapping[TopicPartition, int],
    ) -> Source:
        mine = [step for step in steps.values() if step.exchange == exchange]
        return Source(
            exchange,
            partition,
            self._definition,
            restore(mine, self._definition.window),
            {
                topic: beginnings[topic, partition]
                for topic in (each.topic(exchange) for each in self._definition.inputs)
            },
        )

    def _forget(self) -> None:
        self._owned = _Owned({}, {}, set())
        self._uncommitted = {}
        self._letters = []
        self._pending_bytes = 0
        self._room.set()
        self._work.clear()
        self._metrics.partitions.set(0)


async def _acknowledged(deliveries: list[Awaitable[object]]) -> None:
    if deliveries:
        await asyncio.gather(*deliveries)
