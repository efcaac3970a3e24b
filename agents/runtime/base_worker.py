"""What every worker does that reads topics from positions of its own: taking, waiting, committing.

A worker takes records, works on what they have touched, and commits positions whose effects are
acknowledged. Whatever is revoked is forgotten and rebuilt from the changelog.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.standstill import FormerOwnerError
from agents.runtime.steps import Step
from models.errors import InvariantError, RecordError
from models.records.dead_letters import Origin, dead_letter
from models.topics import DEAD_LETTERS

TopicPartition = tuple[str, int]
"""A topic without its namespace, and a partition."""

_PENDING_LIMIT = 64 * 1024 * 1024
# More than the batches that may be on their way while a seek takes effect.
_SEEKS = 1_000


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

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read on at an offset; of a partition no longer assigned nothing is read."""
        ...


class KafkaRecord(Protocol):
    """What a dead letter holds of a record."""

    @property
    def offset(self) -> int:
        """Its offset."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value."""
        ...


class Taker(Protocol):
    """Takes the records of one topic partition."""

    @property
    def next_offset(self) -> int:
        """Return the offset to be taken next."""
        ...

    def take(self, offset: int, value: bytes | None) -> None:
        """Take one record.

        Raises:
            RecordError: it cannot be decoded; it counts as taken.
        """
        ...


AnySource = TypeVar("AnySource")


class Owned(msgspec.Struct, Generic[AnySource]):
    """What a worker owns since the last assignment.

    `readers` says which sources a record of a topic partition may give work to; `touched` are
    those that have work.
    """

    sources: dict[tuple[str, int], AnySource]
    takers: dict[TopicPartition, Taker]
    readers: dict[TopicPartition, list[tuple[str, int]]]
    touched: set[tuple[str, int]]


class BaseWorker(ABC, Generic[AnySource]):
    """A worker without what it makes of the records: `_opened` and `_round` say that.

    Where reading goes on is what the state says; what is committed shows how far a worker is.
    Where `commits_what_it_read`, that is everything read once nothing more can be done with it:
    else an open minute would look like work that is not done.
    """

    commits_what_it_read = False

    def __init__(self, name: str, log: Log, metrics: WorkerMetrics, faults: FaultPoints) -> None:
        """Own nothing yet."""
        self._log = log
        self._metrics = metrics
        self._faults = faults
        self._logger = structlog.get_logger(agent=name)
        self._owned: Owned[AnySource] = Owned({}, {}, {}, set())
        self._assignment = 0
        self._uncommitted: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._letters: list[tuple[Origin, bytes | None, bytes | None, RecordError]] = []
        self._pending_bytes = 0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._writing = asyncio.Lock()
        self._seeks: dict[TopicPartition, int] = {}
        self._seeks_left = _SEEKS

    @abstractmethod
    def _topics(self) -> list[str]:
        """Return the topics that are read."""

    @abstractmethod
    def _opened(
        self,
        partitions: list[int],
        mirror: Mapping[int, Mapping[bytes, Step]],
        beginnings: Mapping[TopicPartition, int],
    ) -> Owned[AnySource]:
        """Return the sources of these partitions, rebuilt from the changelog."""

    @abstractmethod
    async def _round(self) -> bool:
        """Do a bounded part of the work; return whether more is left."""

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
            (topic, partition) for partition in wanted for topic in self._topics()
        )
        owned = self._opened(wanted, mirror, beginnings)
        positions = {place: taker.next_offset for place, taker in owned.takers.items()}
        if positions:
            await self._log.commit(positions)
        if assignment != self._assignment:
            return
        self._forget()
        self._owned = owned
        if owned.touched:
            self._work.set()
        self._metrics.partitions.set(len(wanted))
        self._logger.info("assigned", partitions=wanted)

    async def revoked(self) -> None:
        """Do as at the end: whatever is given back is rebuilt from the changelog."""
        await self.close()

    async def close(self, limit_seconds: float = 4.0) -> None:
        """Take no more records, finish the step in flight, commit, forget what was in memory."""
        self._owned = Owned({}, {}, {}, set())
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
        owned = self._owned
        taker = owned.takers.get((topic, batch.partition))
        if taker is None:
            return
        if batch.records[0].offset > taker.next_offset:
            self._seek_back(topic, batch, taker.next_offset)
            return
        self._seeks_left = _SEEKS
        for record in batch.records:
            try:
                taker.take(record.offset, record.value)
            except RecordError as error:
                self._refuse(batch.topic, batch.partition, record, error)
            if record.value is not None:
                self._pending_bytes += len(record.value)
        self._metrics.records.inc(len(batch.records))
        owned.touched.update(owned.readers[topic, batch.partition])
        self._work.set()
        if self._pending_bytes > _PENDING_LIMIT:
            self._room.clear()

    def _refuse(self, name: str, partition: int, record: KafkaRecord, error: RecordError) -> None:
        """Send a record of the topic of this name to the dead letters, with the next ones."""
        origin = Origin(name, partition, record.offset)
        self._letters.append((origin, record.key, record.value, error))
        self._metrics.dead_letter(error.reason)
        self._logger.warning("dead_letter", reason=error.reason, detail=error.detail)

    def _seek_back(self, topic: str, batch: RecordBatch, offset: int) -> None:
        # Faust may seek with what it was told before `open` had committed: reading then goes on at
        # the end of what was read, not at the first record that the next step needs.
        self._seeks_left -= 1
        if self._seeks_left < 0:
            raise InvariantError(
                f"expected offset {offset} of {batch.topic}, was {batch.records[0].offset}"
            )
        self._logger.info("seek", topic=batch.topic, partition=batch.partition, offset=offset)
        self._seeks[topic, batch.partition] = offset

    async def room(self) -> None:
        """Wait until the work that is not yet written is bounded again; seek where that is due."""
        seeks, self._seeks = self._seeks, {}
        for (topic, partition), offset in seeks.items():
            await self._log.seek(topic, partition, offset)
        await self._room.wait()

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Work on what was touched, until told to stop."""
        while not should_stop():
            try:
                async with asyncio.timeout(0.25):
                    await self._work.wait()
            except TimeoutError:
                continue
            self._work.clear()
            async with self._writing:
                try:
                    more = await self._round()
                except FormerOwnerError as error:
                    # The assignment that follows rebuilds everything from the changelog.
                    self._logger.warning("former_owner", detail=str(error))
                    self._assignment += 1
                    self._forget()
                    continue
                if more:
                    self._work.set()

    async def commit(self) -> None:
        """Commit the positions of the steps that are acknowledged."""
        positions, self._uncommitted = self._uncommitted, {}
        if self.commits_what_it_read and not self._owned.touched:
            read = {place: taker.next_offset for place, taker in self._owned.takers.items()}
            positions |= {
                place: offset
                for place, offset in read.items()
                if self._committed.get(place) != offset
            }
            self._committed = read
        if positions:
            await self._log.commit(positions)

    def _has_room(self) -> None:
        """Say that what was taken so far is worked on."""
        self._pending_bytes = 0
        self._room.set()

    async def _send(
        self, records: Iterable[tuple[str, int, bytes | None, bytes]], point: str = ""
    ) -> None:
        """Send records (topic, partition, key, value) and wait until all are acknowledged."""
        await acknowledged([await self._log.send(*record) for record in records])
        if point:
            self._faults.reached(point)

    async def _send_letters(self) -> None:
        letters, self._letters = self._letters, []
        await self._send(
            (
                DEAD_LETTERS.name,
                0,
                None,
                dead_letter(error.reason, error.detail, origin, key, value),
            )
            for origin, key, value, error in letters
        )

    def _forget(self) -> None:
        self._owned = Owned({}, {}, {}, set())
        self._uncommitted = {}
        self._committed = {}
        self._letters = []
        self._seeks = {}
        self._seeks_left = _SEEKS
        self._has_room()
        self._work.clear()
        self._metrics.partitions.set(0)


async def acknowledged(deliveries: list[Awaitable[object]]) -> None:
    """Wait until all of these are done."""
    if deliveries:
        await asyncio.gather(*deliveries)
