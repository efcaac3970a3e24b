"""A worker of the archive agent: records in, chunks into the store, then their offsets committed.

The manifest says from where it goes on, not the committed offsets: those are for people to see,
and for Faust to seek to. A chunk's data files are written first, then its entry, then its hour in
the changelog; a worker that dies between writes the same files once more.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping

from agents.archive.manifest import ArchivedUpTo, Manifest
from agents.archive.metrics import ArchiveMetrics
from agents.archive.source import ArchiveSource
from agents.archive.tables import HOUR, HOURS, counted, hour_of, hour_step, step_with
from agents.runtime.backoff import Backoff
from agents.runtime.base_worker import BaseWorker, Log, Owned, TopicPartition
from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.steps import Step, encode_step, step_key
from models.archive.chunks import ChunkCutter
from models.archive.manifest import Entry
from models.archive.rendering import Rendered, render
from models.records.dead_letters import Origin
from models.settings import Settings
from models.topics import ARCHIVE_CHANGELOG, topic_name

_WAITING_LIMIT = 64 * 1024 * 1024
_LEAST_WAIT_S = 0.5
_IDLE_EVERY_S = 1.0
# So often the same batch comes after a seek to what lies before it, and nothing does.
_NEVER_HELD = 3

EndOffset = Callable[[str, int], int | None]
"""By topic and partition the end of what Kafka holds, as far as is known."""

_Place = tuple[str, int]


class ArchiveWorker(BaseWorker[ArchiveSource]):
    """Everything that one process of the archive agent does, apart from Faust."""

    def __init__(
        self,
        settings: Settings,
        topics: Iterable[str],
        log: Log,
        manifest: Manifest,
        remember: Callable[[int, bytes, Step], None],
        end_offset: EndOffset,
        metrics: ArchiveMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Own nothing yet; `clock` tells seconds since the epoch, for idle topics alone."""
        super().__init__("archive", log, metrics, FaultPoints(settings.fault_point))
        self._settings = settings
        self._archived_topics = list(topics)
        self._manifest = manifest
        self._remember = remember
        self._end_offset = end_offset
        self._counts = metrics
        self._clock = clock
        self._found: dict[str, dict[int, ArchivedUpTo]] = {}
        self._hours: dict[_Place, Step] = {}
        self._rendered: dict[_Place, Rendered] = {}
        self._ahead: dict[_Place, int] = {}
        self._seen_ahead: dict[_Place, tuple[int, int]] = {}
        self._backoff = Backoff(_LEAST_WAIT_S, random.random)
        self._is_waiting = False
        self.is_degraded = False

    async def open(
        self, partitions: Iterable[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> None:
        """Own these partitions; where the store cannot be read, wait until it can."""
        self._assignment += 1
        assignment = self._assignment
        wanted = sorted(partitions)
        while True:
            try:
                found = {
                    topic: await asyncio.to_thread(self._manifest.archived_up_to, topic)
                    for topic in self._archived_topics
                }
                hours = await asyncio.to_thread(self._counted_hours, wanted, mirror, found)
                break
            except OSError as error:
                await asyncio.sleep(self._failed("read", error))
            if assignment != self._assignment:
                return
        if assignment != self._assignment:
            return
        self._succeeded()
        self._found = found
        await super().open(wanted, mirror)
        if assignment + 1 == self._assignment:
            self._hours = hours

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
            source.take(record.offset, record.value, record.timestamp, record.key)
        self._seen_ahead.pop((source.topic, source.partition), None)
        self._metrics.records.inc(len(batch.records))
        if source.finished:
            self._touch(source)

    async def room(self) -> None:
        """Seek where that is due; wait until what is to be written is bounded again."""
        ahead, self._ahead = self._ahead, {}
        for place, first in ahead.items():
            await self._go_back(place, first)
        await super().room()

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Archive chunks as they are finished, until told to stop."""
        closing = asyncio.create_task(self._close_idle())
        try:
            await super().run(should_stop)
        finally:
            closing.cancel()

    def _topics(self) -> list[str]:
        return self._archived_topics

    def _opened(
        self,
        partitions: list[int],
        mirror: Mapping[int, Mapping[bytes, Step]],  # noqa: ARG002 - the manifest says it
        beginnings: Mapping[TopicPartition, int],
    ) -> Owned[ArchiveSource]:
        owned: Owned[ArchiveSource] = Owned({}, {}, {}, set())
        for place, beginning in beginnings.items():
            topic, partition = place
            if partition not in partitions:
                continue
            found = self._found[topic].get(partition)
            offset = beginning if found is None else max(beginning, found.offset)
            if found is not None and beginning > found.offset:
                self._tell_lost(topic, partition, found.offset, beginning)
            cutter = ChunkCutter(
                topic,
                partition,
                offset,
                self._settings.archive_chunk_s,
                0 if found is None else found.newest.start,
            )
            source = ArchiveSource(cutter, offset)
            owned.sources[place] = source
            owned.takers[place] = source
        return owned

    async def _round(self) -> bool:
        """Archive what is finished; return whether more is left that can be tried at once."""
        owned, assignment = self._owned, self._assignment
        if self._is_waiting:
            return False
        for place in sorted(owned.touched):
            source = owned.sources[place]
            while source.finished:
                if not await self._archive(source) or assignment != self._assignment:
                    return False
                source.done()
                self._rendered.pop(place, None)
                self._uncommitted[place] = source.archived_up_to
                self._look_for_room()
            owned.touched.discard(place)
        return bool(owned.touched)

    async def _archive(self, source: ArchiveSource) -> bool:
        """Archive the oldest finished chunk of a source; return whether that was possible."""
        assignment = self._assignment
        place = source.topic, source.partition
        rendered = self._rendered.get(place)
        if rendered is None:
            rendered = await asyncio.to_thread(render, source.finished[0])
            self._rendered[place] = rendered
            self._refuse(rendered)
        # Before the entry, after which they would not be sent again.
        await self._send_letters()
        try:
            await asyncio.to_thread(self._manifest.write_files, rendered)
            self._faults.reached("archive_files_written")
            if assignment != self._assignment:
                return False
            await asyncio.to_thread(self._manifest.write_entry, rendered.entry)
        except OSError as error:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(self._failed("write", error), self._try_again)
            return False
        self._faults.reached("archive_entry_written")
        self._succeeded()
        self._counts.archived(rendered.entry)
        self._counts.outputs.inc()
        if assignment == self._assignment:
            await self._remember_hour(rendered.entry)
        return True

    async def _remember_hour(self, entry: Entry) -> None:
        place = entry.topic, entry.partition
        step = self._hours[place] = step_with(self._hours.get(place), entry)
        key = step_key(entry.topic, step.index, HOURS.slots, HOURS.name)
        await self._send([(ARCHIVE_CHANGELOG.name, entry.partition, key, encode_step(step))])
        self._remember(entry.partition, key, step)

    def _counted_hours(
        self,
        partitions: Iterable[int],
        mirror: Mapping[int, Mapping[bytes, Step]],
        found: Mapping[str, Mapping[int, ArchivedUpTo]],
    ) -> dict[_Place, Step]:
        hours: dict[_Place, Step] = {}
        for topic, places in found.items():
            for partition in partitions:
                if partition not in places:
                    continue
                up_to = places[partition]
                hour = hour_of(up_to.newest)
                step = mirror.get(partition, {}).get(step_key(topic, hour, HOURS.slots, HOURS.name))
                if (
                    step is None
                    or step.index != hour
                    or step.positions[topic].offset != up_to.offset
                ):
                    entries = self._manifest.since(topic, partition, hour * HOUR)
                    step = hour_step(topic, hour, up_to.offset, counted(entries))
                hours[topic, partition] = step
        return hours

    def _refuse(self, rendered: Rendered) -> None:
        topic = topic_name(rendered.entry.topic, self._settings.namespace)
        for refused in rendered.refused:
            record, error = refused.record, refused.error
            origin = Origin(topic, rendered.entry.partition, record.offset)
            self._letters.append((origin, record.key, record.value, error))
            self._metrics.dead_letter(error.reason)
            self._logger.warning("dead_letter", reason=error.reason, detail=error.detail)

    def _touch(self, source: ArchiveSource) -> None:
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

    def _failed(self, doing: str, error: OSError) -> float:
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

    def _was_never_held(self, source: ArchiveSource, first: int) -> bool:
        """Return whether a batch that begins beyond the next offset begins where the topic goes on.

        Faust may seek with what it was told before `open` had committed; then what lies between
        is still to be read. What a topic never held is not there after any number of seeks.
        """
        place = source.topic, source.partition
        before, times = self._seen_ahead.get(place, (first, 0))
        self._seen_ahead[place] = first, times + 1 if before == first else 1
        return self._seen_ahead[place][1] > _NEVER_HELD

    async def _go_back(self, place: _Place, first: int) -> None:
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

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_EVERY_S)
            before = self._clock() - self._settings.archive_idle_s
            for (topic, partition), source in self._owned.sources.items():
                if source.close_idle(self._end_offset(topic, partition), before):
                    self._touch(source)

    def _forget(self) -> None:
        super()._forget()
        self._hours = {}
        self._rendered = {}
        self._ahead = {}
        self._seen_ahead = {}
