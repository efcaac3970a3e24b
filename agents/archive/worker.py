"""A worker of the archive agent: records in, chunks into the store, then their offsets committed.

The manifest says from where it goes on, not the committed offsets: those are for people to see,
and for Faust to seek to. A chunk's data files are written first, then its entry, then its hour in
the changelog; a worker that dies between writes the same files once more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from agents.archive.manifest import ArchivedUpTo, Manifest
from agents.archive.metrics import ArchiveMetrics
from agents.archive.source import ArchiveSource
from agents.archive.store_source import EndOffset
from agents.archive.store_worker import StoreWorker
from agents.archive.tables import HOUR, HOURS, counted, hour_of, hour_step, step_with
from agents.runtime.base_worker import Log, TopicPartition
from agents.runtime.steps import Step, encode_step, step_key
from models.archive.chunks import ChunkCutter
from models.archive.manifest import Entry
from models.archive.rendering import Rendered, render
from models.settings import Settings
from models.topics import ARCHIVE_CHANGELOG, topic_name


class Found(msgspec.Struct):
    """What the manifest says of the topics, by partition, and the newest hour of each."""

    up_to: dict[str, dict[int, ArchivedUpTo]]
    hours: dict[TopicPartition, Step]


class ArchiveWorker(StoreWorker[ArchiveSource, Found]):
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
        """Own nothing yet; `clock` tells seconds since the epoch, for idle topics and lags."""
        super().__init__("archive", settings, topics, log, end_offset, metrics, clock)
        self._manifest = manifest
        self._remember = remember
        self._archived = metrics.archived
        self._rendered: dict[TopicPartition, Rendered] = {}

    async def _load(
        self, partitions: list[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> Found:
        await asyncio.to_thread(self._manifest.begin)
        up_to = {
            topic: await asyncio.to_thread(self._manifest.archived_up_to, topic)
            for topic in self._topics()
        }
        hours = await asyncio.to_thread(self._counted_hours, partitions, mirror, up_to)
        return Found(up_to, hours)

    def _source_at(self, place: TopicPartition, beginning: int, found: Found) -> ArchiveSource:
        topic, partition = place
        up_to = found.up_to[topic].get(partition)
        offset = self._gaps.begin_at(place, beginning, None if up_to is None else up_to.offset)
        newest = 0 if up_to is None else up_to.newest.start
        cutter = ChunkCutter(topic, partition, offset, self._settings.archive_chunk_s, newest)
        return ArchiveSource(cutter, offset)

    async def _write(self, source: ArchiveSource) -> bool:
        """Archive the oldest finished chunk of a source."""
        assignment = self._assignment
        place = source.topic, source.partition
        rendered = self._rendered.get(place)
        if rendered is None:
            rendered = await asyncio.to_thread(render, source.finished[0])
            self._rendered[place] = rendered
            name = topic_name(source.topic, self._settings.namespace)
            for refused in rendered.refused:
                self._refuse(name, source.partition, refused.record, refused.error)
        # Before the entry, after which they would not be sent again.
        await self._send_letters()
        await asyncio.to_thread(self._manifest.write_files, rendered)
        self._faults.reached("archive_files_written")
        if assignment != self._assignment:
            return False
        await asyncio.to_thread(self._manifest.write_entry, rendered.entry)
        self._faults.reached("archive_entry_written")
        self._archived(rendered.entry)
        self._metrics.outputs.inc()
        if assignment != self._assignment:
            return False
        await self._remember_hour(rendered.entry)
        if assignment != self._assignment:
            return False
        source.done()
        self._rendered.pop(place, None)
        return True

    async def _remember_hour(self, entry: Entry) -> None:
        assert self._found is not None, "it is loaded before"
        place = entry.topic, entry.partition
        step = self._found.hours[place] = step_with(self._found.hours.get(place), entry)
        key = step_key(entry.topic, step.index, HOURS.slots, HOURS.name)
        await self._send([(ARCHIVE_CHANGELOG.name, entry.partition, key, encode_step(step))])
        self._remember(entry.partition, key, step)

    def _counted_hours(
        self,
        partitions: Iterable[int],
        mirror: Mapping[int, Mapping[bytes, Step]],
        found: Mapping[str, Mapping[int, ArchivedUpTo]],
    ) -> dict[TopicPartition, Step]:
        hours: dict[TopicPartition, Step] = {}
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

    def _forget(self) -> None:
        super()._forget()
        self._rendered = {}
