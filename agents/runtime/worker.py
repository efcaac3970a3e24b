"""A worker: takes records, closes seconds, publishes them in the order that makes them exact.

A step's outputs are acknowledged before its changelog record is sent, and that is acknowledged
before positions are committed. What a worker sends twice is the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from agents.runtime.base_worker import BaseWorker, Log, Owned, TopicPartition
from agents.runtime.faults import FaultPoints
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.source import AgentDefinition, ClosedStep, Output, Source
from agents.runtime.steps import Step, restore

__all__ = ["Log", "TopicPartition", "Worker"]

_SECONDS_A_ROUND = 64


class Worker(BaseWorker[Source]):
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
        partitions: int,
    ) -> None:
        """Own nothing yet. `remember` keeps acknowledged steps for the next recovery.

        `partitions` is the number of partitions of every topic of which each gets a copy.
        """
        super().__init__(definition.name, log, metrics, faults)
        self._definition = definition
        self._exchanges = tuple(exchanges)
        self._changelog = changelog
        self._remember = remember
        self._partitions = partitions

    def _topics(self) -> list[str]:
        return [
            each.topic(exchange) for exchange in self._exchanges for each in self._definition.inputs
        ]

    def _opened(
        self,
        partitions: list[int],
        mirror: Mapping[int, Mapping[bytes, Step]],
        beginnings: Mapping[TopicPartition, int],
    ) -> Owned[Source]:
        owned: Owned[Source] = Owned({}, {}, {}, set())
        for partition in partitions:
            for exchange in self._exchanges:
                steps = mirror.get(partition, {})
                source = self._open_source(exchange, partition, steps, beginnings)
                place = exchange, partition
                owned.sources[place] = source
                for topic, log in source.logs.items():
                    owned.takers[topic, partition] = log
                    owned.readers[topic, partition] = [place]
        return owned

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
        self._has_room()
        await self._send_letters()
        if not closed:
            return more
        await self._send(
            (
                (output.topic, partition, output.key, output.value)
                for source, step in closed
                for output in step.outputs
                for partition in self._partitions_of(output, source)
            ),
            "outputs_acknowledged",
        )
        if assignment != self._assignment:
            return False
        await self._send(
            (
                (self._changelog, source.partition, record.key, record.value)
                for source, step in closed
                for record in step.changelog
            ),
            "changelog_acknowledged",
        )
        for source, step in closed:
            for record in step.changelog:
                self._remember(source.partition, record.key, record.step)
            if assignment == self._assignment:
                for topic, position in step.step.positions.items():
                    self._uncommitted[topic, source.partition] = position.offset
        self._metrics.seconds.inc(len(closed))
        self._metrics.outputs.inc(sum(len(step.outputs) for _, step in closed))
        for _, step in closed:
            self._metrics.published(step.step.index + 1)
        return more

    def _partitions_of(self, output: Output, source: Source) -> Iterable[int]:
        return range(self._partitions) if output.every_partition else (source.partition,)

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
            restore(mine, self._definition.needs),
            {
                topic: beginnings[topic, partition]
                for topic in (each.topic(exchange) for each in self._definition.inputs)
            },
        )
