"""A worker of the bars agent: minutes of its sources in, their bars and indicators out.

A group's head is acknowledged before anything that follows from it is published: whether candles
were used between two minutes is in no other log. Outputs of a head that may not all have gone out
are sent again at recovery; what is sent twice is the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from agents.bars.candle_log import CandleLog
from agents.bars.changes import Change, Kept, restore
from agents.bars.source import BarsSource, Group
from agents.bars.tables import MINUTE, BarRings
from agents.runtime.base_worker import BaseWorker, Log, Owned, TopicPartition
from agents.runtime.faults import FaultPoints
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.steps import Step
from models.settings import Settings
from models.topics import BARS_CHANGELOG, CANDLES, exchange_topics


class BarsWorker(BaseWorker[BarsSource]):
    """Everything that one process of the bars agent does, apart from Faust."""

    commits_what_it_read = True

    def __init__(
        self,
        settings: Settings,
        log: Log,
        remember: Callable[[int, bytes, Step], None],
        metrics: WorkerMetrics,
    ) -> None:
        """Own nothing yet. `remember` keeps acknowledged changes for the next recovery."""
        super().__init__("bars", log, metrics, FaultPoints(settings.fault_point))
        self._partitions = settings.partitions
        self._remember = remember
        self._trades: dict[str, str] = {
            exchange: exchange_topics(exchange)[1].name for exchange in settings.exchanges
        }

    def _topics(self) -> list[str]:
        return [*self._trades.values(), CANDLES.name]

    def _opened(
        self,
        partitions: list[int],
        mirror: Mapping[int, Mapping[bytes, Step]],
        beginnings: Mapping[TopicPartition, int],
    ) -> Owned[BarsSource]:
        owned: Owned[BarsSource] = Owned({}, {}, {}, set())
        for partition in partitions:
            rings = {exchange: BarRings() for exchange in self._trades}
            steps = mirror.get(partition, {})
            kept = {exchange: restore(exchange, steps, rings[exchange]) for exchange in rings}
            candles = self._open_candles(partition, kept, beginnings[CANDLES.name, partition])
            owned.takers[CANDLES.name, partition] = candles
            for exchange, topic in self._trades.items():
                source = BarsSource(
                    exchange,
                    partition,
                    topic,
                    kept[exchange],
                    rings[exchange],
                    candles,
                    beginnings[topic, partition],
                )
                place = exchange, partition
                owned.sources[place] = source
                owned.takers[topic, partition] = source
                owned.readers[topic, partition] = [place]
                owned.readers.setdefault((CANDLES.name, partition), []).append(place)
                if kept[exchange] is not None:
                    # What it may have to send again waits for no record.
                    owned.touched.add(place)
        return owned

    def _open_candles(
        self, partition: int, kept: Mapping[str, Kept | None], beginning: int
    ) -> CandleLog:
        positions = {
            exchange: beginning if each is None else max(beginning, each.head.candles)
            for exchange, each in kept.items()
        }
        return CandleLog(partition, self._partitions, positions)

    async def _round(self) -> bool:
        """Bring one group of every source out; return whether more is left."""
        owned, assignment = self._owned, self._assignment
        groups: list[tuple[BarsSource, Group]] = []
        for place in sorted(owned.touched):
            source = owned.sources[place]
            group = source.group()
            if group is None:
                owned.touched.discard(place)
            else:
                groups.append((source, group))
        self._has_room()
        await self._send_letters()
        if not groups:
            return False
        await self._write(groups, lambda group: group.before, "changelog_acknowledged")
        await self._send(
            (
                (output.topic, source.partition, output.key, output.value)
                for source, group in groups
                for output in group.outputs
            ),
            "outputs_acknowledged",
        )
        await self._write(groups, lambda group: group.after, "")
        if assignment != self._assignment:
            return False
        for source, _ in groups:
            candles = owned.takers[CANDLES.name, source.partition]
            self._uncommitted[source.topic, source.partition] = source.position.offset
            self._uncommitted[CANDLES.name, source.partition] = candles.next_offset
        self._metrics.seconds.inc(MINUTE * sum(group.minutes for _, group in groups))
        self._metrics.outputs.inc(sum(len(group.outputs) for _, group in groups))
        for source, group in groups:
            if group.minutes:
                self._metrics.published(MINUTE * source.boundary)
        return True

    async def _write(
        self,
        groups: Iterable[tuple[BarsSource, Group]],
        part: Callable[[Group], list[Change]],
        point: str,
    ) -> None:
        changes = [(source.partition, change) for source, group in groups for change in part(group)]
        await self._send(
            (
                (BARS_CHANGELOG.name, partition, change.key, change.value)
                for partition, change in changes
            ),
            point,
        )
        for partition, change in changes:
            self._remember(partition, change.key, change.step)
