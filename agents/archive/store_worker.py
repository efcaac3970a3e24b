"""What both workers of the archive do: read topics into a store that may be away.

Where a worker goes on, its store says, not the committed offsets: those are for people to see, and
for Faust to seek to. While the store is away nothing is lost: reading stops once too much waits.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import ClassVar, Generic, Protocol, TypeVar

import msgspec

from agents.archive.metrics import StoreMetrics
from agents.runtime.backoff import Backoff
from agents.runtime.base_worker import BaseWorker, Log
from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.steps import Step
from models.errors import RecordError
from models.settings import Settings

_WAITING_LIMIT = 64 * 1024 * 1024
_LEAST_WAIT_S = 0.5
_IDLE_EVERY_S = 1.0
# So often the same batch comes after a seek to what lies before it, and nothing does.
_NEVER_HELD = 3

EndOffset = Callable[[str, int], int | None]
"""By topic and partition the end of what Kafka holds, as far as is known."""

Place = tuple[str, int]


class StoreSource(Protocol):
    """One topic partition on its way into a store."""

    topic: str
    partition: int

    @property
    def finished(self) -> Sized:
        """What can be written."""
        ...

    @property
    def next_offset(self) -> int:
        """The offset after the newest record that was taken."""
        ...

    @property
    def written_up_to(self) -> int:
        """The first offset that is not wholly written."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait to be written."""
        ...

    @property
    def oldest_timestamp(self) -> int | None:
        """Kafka's timestamp of the oldest record that is not written, in milliseconds."""
        ...

    def take(
        self, offset: int, value: bytes | None, timestamp: int = 0, key: bytes | None = None
    ) -> None:
        """Take one record.

        Raises:
            RecordError: it cannot be decoded; it counts as taken.
        """
        ...

    def skip_to(self, offset: int) -> None:
        """Go on at `offset`, as what lies before it is gone."""
        ...

    def close_idle(self, end_offset: int | None, before: float) -> bool:
        """Finish what is open if it is older and the topic holds no more; tell if work is there."""
        ...


AnyStoreSource = TypeVar("AnyStoreSource", bound=StoreSource)
Found = TypeVar("Found")


class _Unopened(msgspec.Struct):
    """What was assigned and is not owned yet; `due` is when to try again, by a clock of its own."""

    assignment: int
    partitions: list[int]
    mirror: Mapping[int, Mapping[bytes, Step]]
    due: float = 0.0


class StoreWorker(BaseWorker[AnyStoreSource], Generic[AnyStoreSource, Found]):
    """A worker that writes what it reads into a store, without how: `_load`, `_write` say that.

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
        self._ahead: dict[Place, int] = {}
        self._seen_ahead: dict[Place, tuple[int, int]] = {}
        self._backoff = Backoff(_LEAST_WAIT_S, random.random)
        self._is_waiting = False
        self.is_degraded = False

    @abstractmethod
    async def _load(
        self, partitions: list[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> Found:
        """Return what the store says; one of `store_errors` where it cannot be read."""

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
            wanted.due = time.monotonic() + self._failed("read", error)
            if wanted.assignment == self._assignment:
                self._room.clear()
            return
        if wanted.assignment != self._assignment:
            return
        self._unopened = None
        self._succeeded()
        self._found = found
        await super().open(wanted.partitions, wanted.mirror)
        if wanted.due:
            # Faust has sought already, to what was committed then.
            for (topic, partition), source in list(self._owned.sources.items()):
                await self._log.seek(topic, partition, source.next_offset)

    def take(self, topic: str, batch: RecordBatch) -> None:
        """Take the records of one fetch."""
        source = self._owned.sources.get((topic, batch.partition))
        if source is None or not batch.records:
            return
        first = batch.records[0].offset
        if first > source.next_offset and not self._was_never_held(source, first):
            self._ahead[source.topic, source.partition] = first
            return
        for record in batch.records:
            try:
                source.take(record.offset, record.value, record.timestamp, record.key)
            except RecordError as error:
                self._refuse(batch.topic, batch.partition, record, error)
        self._seen_ahead.pop((source.topic, source.partition), None)
        self._metrics.records.inc(len(batch.records))
        if source.finished or self._letters:
            self._touch(source)

    async def room(self) -> None:
        """Seek where that is due; wait until what is to be written is bounded again."""
        ahead, self._ahead = self._ahead, {}
        for place, first in ahead.items():
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

    def _begin_at(self, place: Place, beginning: int, written_up_to: int | None) -> int:
        """Return where to go on, and tell what Kafka no longer holds of it."""
        if written_up_to is None:
            return beginning
        if beginning > written_up_to:
            self._tell_lost(*place, written_up_to, beginning)
        return max(beginning, written_up_to)

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
                    wait = self._failed("write", error)
                    self._is_waiting = True
                    asyncio.get_running_loop().call_later(wait, self._try_again)
                    return False
                if not is_still_mine or assignment != self._assignment:
                    return False
                self._succeeded()
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

    def _failed(self, doing: str, error: Exception) -> float:
        """Say that the store is away; return how long to wait before the next try."""
        wait = self._backoff.next_wait()
        self.is_degraded = True
        self._counts.degraded.set(1)
        self._counts.failures.inc()
        self._logger.warning("store_away", doing=doing, detail=str(error), wait_s=round(wait, 3))
        return wait

    def _succeeded(self) -> None:
        if self.is_degraded:
            self._logger.info("store_back")
        self.is_degraded = False
        self._counts.degraded.set(0)
        self._backoff.reset()

    def _try_again(self) -> None:
        self._is_waiting = False
        self._work.set()

    def _tell_lost(self, topic: str, partition: int, offset: int, beginning: int) -> None:
        self._counts.lost.labels(topic).inc(beginning - offset)
        self._logger.error(
            "records_lost", topic=topic, partition=partition, offset=offset, beginning=beginning
        )

    def _was_never_held(self, source: AnyStoreSource, first: int) -> bool:
        """Return whether a batch that begins beyond the next offset begins where the topic goes on.

        Faust may seek with what it was told before `open` had committed; then what lies between
        is still to be read. What a topic never held is not there after any number of seeks.
        """
        place = source.topic, source.partition
        before, times = self._seen_ahead.get(place, (first, 0))
        self._seen_ahead[place] = first, times + 1 if before == first else 1
        return self._seen_ahead[place][1] > _NEVER_HELD

    async def _go_back(self, place: Place, first: int) -> None:
        source = self._owned.sources.get(place)
        if source is None or first <= source.next_offset:
            return
        topic, partition = place
        beginning = (await self._log.beginnings([place]))[place]
        if beginning > source.next_offset:
            self._tell_lost(topic, partition, source.next_offset, beginning)
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
            self._tell_lag(now)

    def _tell_lag(self, now: float) -> None:
        offsets = dict.fromkeys(self._read_topics, 0)
        seconds = dict.fromkeys(self._read_topics, 0.0)
        for (topic, partition), source in self._owned.sources.items():
            end = self._end_offset(topic, partition)
            if end is not None:
                offsets[topic] += max(0, end - source.written_up_to)
            oldest = source.oldest_timestamp
            if oldest is not None:
                seconds[topic] = max(seconds[topic], now - oldest / 1_000)
        for topic in self._read_topics:
            self._counts.behind(topic, offsets[topic], seconds[topic])

    def _forget(self) -> None:
        super()._forget()
        self._ahead = {}
        self._seen_ahead = {}
