"""A worker: takes closes and candles, decides steps, publishes them.

What a step decides (masks, coins, candles) is not in the log. So its changelog record is
acknowledged first, then its outputs, then positions are committed; after a recovery the last
step's outputs are sent again. What is sent twice is the same bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from agents.correlation.metrics import CorrelationMetrics
from agents.correlation.place import Place
from agents.correlation.state import decided_in
from agents.correlation.step import StepOutputs, step_outputs
from agents.correlation.table import RowSettings, Table
from agents.correlation.tables import TableDefinition
from agents.runtime.base_worker import BaseWorker, Log, Owned, TopicPartition
from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.steps import Step, encode_step, step_key
from models.errors import InvariantError, TransportError
from models.topics import CANDLES, CLOSES, CORRELATION_CHANGELOG

# A step over more coins is computed in a thread, so that Kafka's heartbeats go on.
_MANY_COINS = 200
_VALUES_EVERY_S = 3600.0
_VALUES_RETRY_S = 60.0
_TOPICS = [CLOSES.name, CANDLES.name]

EndOffset = Callable[[str, int], int | None]
"""By topic and partition the end of what Kafka holds, as far as is known."""


class CorrelationWorker(BaseWorker[Place]):
    """Everything that one process of the correlation agent does, apart from Faust.

    `read_market_values` returns what each coin is worth (it blocks); `remember` keeps acknowledged
    steps for the next recovery.
    """

    commits_what_it_read = True

    def __init__(
        self,
        definitions: Mapping[int, Sequence[TableDefinition]],
        settings: RowSettings,
        log: Log,
        remember: Callable[[int, bytes, Step], None],
        read_market_values: Callable[[], Mapping[str, float]],
        end_offset: EndOffset,
        metrics: CorrelationMetrics,
        faults: FaultPoints,
    ) -> None:
        """Own nothing yet; `definitions` are the tables by their partitions."""
        super().__init__("correlation", log, metrics, faults)
        self._definitions = definitions
        self._settings = settings
        self._remember = remember
        self._read_market_values = read_market_values
        self._end_offset = end_offset
        self._counts = metrics
        self._idle: frozenset[int] = frozenset()
        self._passed_over: dict[TopicPartition, int] = {}
        self._market_values: Mapping[str, float] = {}
        self._values_due = 0.0

    async def open(
        self, partitions: Iterable[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> None:
        """Own these partitions: rebuild their tables from the changelog, commit their positions.

        Where there are no tables, reading goes on from what was committed before.
        """
        self._assignment += 1
        assignment = self._assignment
        wanted = list(partitions)
        await self._refresh_market_values(wanted, required=True)
        if assignment != self._assignment:
            return
        began = time.monotonic()
        await super().open(wanted, mirror)
        self._idle = frozenset(wanted) - {partition for _, partition in self._owned.sources}
        self._logger.info(
            "rebuilt",
            tables=[
                table.definition.name
                for place in self._owned.sources.values()
                for table in place.tables
            ],
            seconds=round(time.monotonic() - began, 3),
        )

    def take(self, topic: str, batch: RecordBatch) -> None:
        """Take the records of one fetch; those of a partition without tables are passed over."""
        if not batch.records:
            return
        if not self._definitions.get(batch.partition):
            # The first ones may come before `open` is through.
            self._passed_over[topic, batch.partition] = batch.records[-1].offset + 1
            return
        super().take(topic, batch)
        place = self._owned.sources.get(("", batch.partition))
        if place is not None and place.is_full():
            self._room.clear()

    async def commit(self) -> None:
        """Commit the positions of what is done, and of what was passed over."""
        passed, self._passed_over = self._passed_over, {}
        for place, offset in passed.items():
            if place[1] in self._idle:
                self._uncommitted[place] = offset
            else:
                self._passed_over[place] = offset
        await super().commit()

    async def close(self, limit_seconds: float = 4.0) -> None:
        """End as every worker; what it passed over is another's to pass over."""
        await super().close(limit_seconds)
        self._passed_over.clear()

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Make steps as they can be decided, until told to stop; look at market values hourly."""
        refreshing = asyncio.create_task(self._keep_market_values())
        try:
            await super().run(should_stop)
        finally:
            refreshing.cancel()

    def _topics(self) -> list[str]:
        return _TOPICS

    def _opened(
        self,
        partitions: list[int],
        mirror: Mapping[int, Mapping[bytes, Step]],
        beginnings: Mapping[TopicPartition, int],
    ) -> Owned[Place]:
        owned: Owned[Place] = Owned({}, {}, {}, set())
        for partition in partitions:
            definitions = self._definitions.get(partition, ())
            if not definitions:
                continue
            place = Place(
                definitions,
                self._settings,
                mirror.get(partition, {}).values(),
                {topic: beginnings[topic, partition] for topic in _TOPICS},
            )
            key = ("", partition)
            owned.sources[key] = place
            owned.takers[CLOSES.name, partition] = place.grid
            owned.takers[CANDLES.name, partition] = place.candles
            for topic in _TOPICS:
                owned.readers[topic, partition] = [key]
            # Its last steps are to be published again.
            owned.touched.add(key)
        return owned

    async def _round(self) -> bool:
        """Make at most one step of every table; return whether there may be more."""
        owned, assignment = self._owned, self._assignment
        await self._send_letters()
        await self._publish(
            [
                (partition, table)
                for _, partition in sorted(owned.touched)
                for table in owned.sources["", partition].rebuilt()
            ]
        )
        # Only now, since what is published is the last step.
        decided: list[tuple[int, Table]] = []
        done: dict[TopicPartition, int] = {}
        for key in sorted(owned.touched):
            place, partition = owned.sources[key], key[1]
            tables = place.decide(self._is_at_end(partition, place), self._market_values)
            decided += [(partition, table) for table in tables]
            if not tables:
                owned.touched.discard(key)
                if not place.unpublished:
                    done |= {
                        (topic, partition): offset for topic, offset in place.positions().items()
                    }
        await self._accept(decided)
        if assignment != self._assignment:
            return False
        await self._publish(decided)
        if assignment != self._assignment:
            return False
        # What the next steps need of it is read again from where the changelog says.
        self._uncommitted |= done
        if not decided or not any(place.is_full() for place in owned.sources.values()):
            self._has_room()
        return bool(decided)

    async def _accept(self, decided: Sequence[tuple[int, Table]]) -> None:
        """Have the changelog take the steps."""
        if not decided:
            return
        steps = [
            (
                partition,
                step_key(table.definition.name, _last(table).index, table.definition.slots),
                _last(table),
            )
            for partition, table in decided
        ]
        await self._send(
            [
                (CORRELATION_CHANGELOG.name, partition, key, encode_step(step))
                for partition, key, step in steps
            ],
            "changelog_acknowledged",
        )
        for partition, key, step in steps:
            self._remember(partition, key, step)
            self._counts.masked(step.exchange, len(decided_in(step).masked))

    async def _publish(self, tables: Sequence[tuple[int, Table]]) -> None:
        for partition, table in tables:
            began = time.perf_counter()
            if len(_last(table).markets) > _MANY_COINS:
                found = await asyncio.to_thread(self._outputs, table)
            else:
                found = self._outputs(table)
            self._counts.step(table.definition.name, time.perf_counter() - began, found.cut)
            # The row before its matrix, and the blocks in their order.
            await self._send(
                (output.topic, partition, output.key, output.value) for output in found.outputs
            )
            self._counts.outputs.inc(len(found.outputs))
            self._counts.published(_last(table).index * table.definition.step_s)
        if tables:
            self._faults.reached("outputs_acknowledged")

    def _outputs(self, table: Table) -> StepOutputs:
        return step_outputs(
            table.definition,
            self._settings.reference_currencies,
            _last(table),
            table.window(),
            table.rest_returns(),
        )

    def _is_at_end(self, partition: int, place: Place) -> bool:
        end = self._end_offset(CLOSES.name, partition)
        return end is None or place.grid.next_offset >= end

    async def _keep_market_values(self) -> None:
        while True:
            await asyncio.sleep(max(1.0, self._values_due - time.monotonic()))
            if time.monotonic() >= self._values_due:
                await self._refresh_market_values(
                    [partition for _, partition in self._owned.sources], required=False
                )

    async def _refresh_market_values(self, partitions: Iterable[int], required: bool) -> None:
        self._values_due = time.monotonic() + _VALUES_EVERY_S
        if not any(
            definition.most_coins is not None
            for partition in partitions
            for definition in self._definitions.get(partition, ())
        ):
            return
        try:
            self._market_values = await asyncio.to_thread(self._read_market_values)
        except TransportError as error:
            if required and not self._market_values:
                raise
            self._values_due = time.monotonic() + _VALUES_RETRY_S
            self._logger.warning("market_values_not_read", detail=str(error))

    def _forget(self) -> None:
        super()._forget()
        self._idle = frozenset()


def _last(table: Table) -> Step:
    if table.last is None:
        raise InvariantError(f"expected a step of {table.definition.name}, was none")
    return table.last
