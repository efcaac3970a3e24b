"""What both workers of the archive do: read topics into a store that may be away.

Where a worker goes on, its store says, not the committed offsets: those are for people to see, and
for Faust to seek to. While the store is away nothing is lost: reading stops once too much waits.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Generic, TypeVar

import msgspec

from agents.archive.metrics import StoreMetrics
from agents.archive.offset_gaps import OffsetGaps
from agents.archive.store_health import StoreHealth
from agents.archive.store_source import EndOffset, StoreSource, lag_by_topic
from agents.runtime.base_worker import BaseWorker, Log, Owned, TopicPartition
from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.steps import Step
from models.errors import RecordError
from models.settings import Settings

_WAITING_LIMIT = 64 * 1024 * 1024
_IDLE_EVERY_S = 1.0

AnyStoreSource = TypeVar("AnyStoreSource", bound=StoreSource)
Found = TypeVar("Found")


class _Unopened(msgspec.Struct):
    """What was assigned and is not owned yet; `due` is when to try again, by a clock of its own."""

    assignment: int
    partitions: list[int]
    mirror: Mapping[int, Mapping[bytes, Step]]
    due: float = 0.0


class StoreWorker(BaseWorker[AnyStoreSource], Generic[AnyStoreSource, Found]):
    """A worker that writes what it reads into a store; how is said by what is abstract here.

    `Found` is what the store says about where to go on.
    """

    store_errors: ClassVar[tuple[type[Exception], ...]] = (OSError,)

    def __init__(
        self,
        name: str,
        settings: Settings,
        topics: Iterable[str],
        log: Log,
        end_offset: EndOffset,
        metrics: StoreMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Own nothing yet; `clock` tells seconds since the epoch, for idle topics and lags."""
        super().__init__(name, log, metrics, FaultPoints(settings.fault_point))
        self._settings = settings
        self._read_topics = list(topics)
        self._end_offset = end_offset
        self._counts = metrics
        self._clock = clock
        self._found: Found | None = None
        self._unopened: _Unopened | None = None
        self._gaps = OffsetGaps(metrics, self._logger)
        self._health = StoreHealth(metrics, self._logger)
        self._is_waiting = False

    @property
    def is_degraded(self) -> bool:
        """Whether the store could not be used when that was tried last."""
        return self._health.is_degraded

    @abstractmethod
    async def _load(
        self, partitions: list[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> Found:
        """Return what the store says; one of `store_errors` where it cannot be read."""

    @abstractmethod
    def _source_at(self, place: TopicPartition, beginning: int, found: Found) -> AnyStoreSource:
        """Return a source of what Kafka holds from `beginning`, to go on where the store says."""

    @abstractmethod
    async def _write(self, source: AnyStoreSource) -> bool:
        """Write some of what a source has finished; return False if the assignment has changed.

        One of `store_errors` where that is not possible now: it is tried again.
        """

    async def open(
        self, partitions: Iterable[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> None:
        """Own these partitions, at once or, where the store cannot be read, once it can.

        Until then nothing is taken, and the worker is as ready as it can be.
        """
        self._assignment += 1
        self._unopened = _Unopened(self._assignment, sorted(partitions), mirror)
        await self._open_now()

    async def _open_now(self) -> None:
        """Try to own what was assigned last."""
        wanted = self._unopened
        if wanted is None or wanted.assignment != self._assignment:
            self._unopened = None
            return
        try:
            found = await self._load(wanted.partitions, wanted.mirror)
        except self.store_errors as error:
            wanted.due = time.monotonic() + self._health.failed("read", error)
            if wanted.assignment == self._assignment:
                self._room.clear()
            return
        if wanted.assignment != self._assignment:
            return
        self._unopened = None
        self._health.succeeded()
        self._found = found
        await super().open(wanted.partitions, wanted.mirror)
        if wanted.due:
            # Faust has sought already, to what was committed then.
            for (topic, partition), source in list(self._owned.sources.items()):
                await self._log.seek(topic, partition, source.next_offset)

    def take(self, topic: str, batch: RecordBatch) -> None:
        """Take the records of one fetch."""
        place = topic, batch.partition
        source = self._owned.sources.get(place)
        if source is None or not batch.records:
            return
        first = batch.records[0].offset
        if first > source.next_offset and not self._gaps.was_never_held(place, first):
            return
        for record in batch.records:
            try:
                source.take(record.offset, record.value, record.timestamp, record.key)
            except RecordError as error:
                self._refuse(batch.topic, batch.partition, record, error)
        self._gaps.closed(place)
        self._metrics.records.inc(len(batch.records))
        if source.finished or self._letters:
            self._touch(source)

    async def room(self) -> None:
        """Seek where that is due; wait until what is to be written is bounded again."""
        for place, first in self._gaps.take_due().items():
            await self._go_back(place, first)
        await super().room()

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Write what is finished, until told to stop."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            await super().run(should_stop)
            watching.cancel()

    def _topics(self) -> list[str]:
        return self._read_topics

    def _opened(
        self,
        partitions: list[int],
        mirror: Mapping[int, Mapping[bytes, Step]],  # noqa: ARG002 - the store says it
        beginnings: Mapping[TopicPartition, int],
    ) -> Owned[AnyStoreSource]:
        owned: Owned[AnyStoreSource] = Owned({}, {}, {}, set())
        assert self._found is not None, "it is loaded before"
        for place, beginning in beginnings.items():
            if place[1] in partitions:
                source = self._source_at(place, beginning, self._found)
                owned.sources[place] = source
                owned.takers[place] = source
        return owned

    async def _round(self) -> bool:
        """Write what is finished; return whether more is left that can be tried at once."""
        owned, assignment = self._owned, self._assignment
        if self._is_waiting:
            return False
        for place in sorted(owned.touched):
            source = owned.sources[place]
            # Before what follows is written down, after which they would not be sent again.
            await self._send_letters()
            while source.finished:
                try:
                    is_still_mine = await self._write(source)
                except self.store_errors as error:
                    wait = self._health.failed("write", error)
                    self._is_waiting = True
                    asyncio.get_running_loop().call_later(wait, self._try_again)
                    return False
                if not is_still_mine or assignment != self._assignment:
                    return False
                self._health.succeeded()
                self._uncommitted[place] = source.written_up_to
                self._look_for_room()
            owned.touched.discard(place)
        return bool(owned.touched)

    def _touch(self, source: AnyStoreSource) -> None:
        self._owned.touched.add((source.topic, source.partition))
        self._work.set()
        self._look_for_room()

    def _look_for_room(self) -> None:
        waiting = sum(source.waiting_bytes for source in self._owned.sources.values())
        self._counts.waiting_bytes.set(waiting)
        if waiting > _WAITING_LIMIT:
            self._room.clear()
        else:
            self._room.set()

    def _try_again(self) -> None:
        self._is_waiting = False
        self._work.set()

    async def _go_back(self, place: TopicPartition, first: int) -> None:
        source = self._owned.sources.get(place)
        if source is None or first <= source.next_offset:
            return
        topic, partition = place
        beginning = (await self._log.beginnings([place]))[place]
        if beginning > source.next_offset:
            self._gaps.tell_lost(place, source.next_offset, beginning)
            source.skip_to(beginning)
            if source.finished:
                self._touch(source)
        self._logger.info("seek", topic=topic, partition=partition, offset=source.next_offset)
        await self._log.seek(topic, partition, source.next_offset)

    async def _watch(self) -> None:
        """Open what could not be, close what is idle, tell how far the store is behind."""
        while True:
            await asyncio.sleep(_IDLE_EVERY_S)
            if self._unopened is not None and time.monotonic() >= self._unopened.due:
                await self._open_now()
            now = self._clock()
            for (topic, partition), source in self._owned.sources.items():
                end = self._end_offset(topic, partition)
                if source.close_idle(end, now - self._settings.archive_idle_s):
                    self._touch(source)
            sources = self._owned.sources.values()
            for topic, lag in lag_by_topic(self._topics(), sources, self._end_offset, now).items():
                self._counts.behind(topic, lag.offsets, lag.seconds)

    def _forget(self) -> None:
        super()._forget()
        self._gaps.forget()
