"""A worker of the agent `archive-cassandra`: records in, rows out, then how far that is.

The table `progress` says from where it goes on, not the committed offsets. Rows are written first,
then progress, then offsets are committed; a worker that dies between writes the same rows again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from agents.archive.cassandra.metrics import AGENT, CassandraMetrics
from agents.archive.cassandra.store import Progress, SeriesStore, units_at_once
from agents.archive.store_source import EndOffset
from agents.archive.store_worker import StoreWorker
from agents.runtime.base_worker import Log, TopicPartition
from agents.runtime.steps import Step
from models.archive.series_cutters import series_cutter
from models.archive.series_cutting import ResumePoint, SeriesCutter
from models.archive.series_rows import TABLES, Decoded, decoded
from models.errors import StoreError
from models.settings import Settings
from models.topics import topic_name

_BYTES_AT_ONCE = 8 * 1024 * 1024
_UNITS_AT_ONCE = 256


class CassandraWorker(StoreWorker[SeriesCutter, dict[TopicPartition, Progress]]):
    """Everything that one process of the agent does, apart from Faust."""

    store_errors: ClassVar[tuple[type[Exception], ...]] = (StoreError,)

    def __init__(
        self,
        settings: Settings,
        topics: Iterable[str],
        log: Log,
        store: SeriesStore,
        end_offset: EndOffset,
        metrics: CassandraMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Own nothing yet; `clock` tells seconds since the epoch, for idle topics and lags."""
        super().__init__(AGENT, settings, topics, log, end_offset, metrics, clock)
        self._store = store
        self._rows = metrics.rows
        self._repeats = metrics.repeats
        self._decoded: dict[TopicPartition, list[Decoded]] = {}

    async def _load(
        self,
        partitions: list[int],
        mirror: Mapping[int, Mapping[bytes, Step]],  # noqa: ARG002 - the store says it
    ) -> dict[TopicPartition, Progress]:
        places = [(topic, partition) for topic in self._topics() for partition in partitions]
        return await asyncio.to_thread(self._store.progress, places)

    def _source_at(
        self, place: TopicPartition, beginning: int, found: dict[TopicPartition, Progress]
    ) -> SeriesCutter:
        progress = found.get(place)
        written = None if progress is None else progress.next_offset
        resume = ResumePoint(
            *place,
            self._gaps.begin_at(place, beginning, written),
            {} if progress is None else progress.reaches,
            self._settings.archive_idle_s,
            is_after_gap=beginning > (written or 0),
        )
        return series_cutter(resume)

    async def _write(self, source: SeriesCutter) -> bool:
        """Write the oldest finished units of a source."""
        assignment = self._assignment
        topic, partition = place = source.topic, source.partition
        units = self._decoded.get(place)
        if units is None:
            chosen = units_at_once(source.finished, _BYTES_AT_ONCE, _UNITS_AT_ONCE)
            units = await asyncio.to_thread(lambda: [decoded(topic, unit) for unit in chosen])
            if assignment != self._assignment:
                return False
            self._decoded[place] = units
            self._refuse_of(source, units)
        # Before progress, after which they would not be sent again.
        await self._send_letters()
        written = await asyncio.to_thread(self._store.write, topic, units)
        self._faults.reached("archive_rows_written")
        if assignment != self._assignment:
            return False
        up_to = source.written_up_to_with(len(units))
        reaches = source.reaches_with(len(units))
        await asyncio.to_thread(self._store.tell, topic, partition, up_to, reaches)
        self._faults.reached("archive_progress_written")
        if assignment != self._assignment:
            return False
        source.done(len(units))
        self._decoded.pop(place, None)
        self._counts.wrote(topic, sum(len(each.unit.records) for each in units), written.size)
        self._rows.labels(TABLES[topic].name).inc(written.rows)
        self._metrics.outputs.inc(written.rows)
        self._repeats.labels(topic).inc(source.repeats)
        source.repeats = 0
        return True

    def _refuse_of(self, source: SeriesCutter, units: Iterable[Decoded]) -> None:
        name = topic_name(source.topic, self._settings.namespace)
        for unit in units:
            for refused in unit.refused:
                self._refuse(name, source.partition, refused.record, refused.error)

    def _forget(self) -> None:
        super()._forget()
        self._decoded = {}
