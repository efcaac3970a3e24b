"""The line in memory: bursts in a log → a source → published records. No Kafka.

A test chooses how bursts are cut, in which order topics are read, and when a worker is killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from agents.runtime.source import AgentDefinition, ClosedStep, Output, Source
from agents.runtime.steps import Restored, Step, decode_step, restore
from agents.runtime.tables import StepTable
from agents.spread.app import SPREAD, spread_agent
from agents.spread.tables import spread_tables
from models.records.closes import decode_closes
from models.records.spreads import decode_spreads
from models.records.unpacked import spread_objects
from models.topics import SPREADS
from tests.burst_log import KINDS, Place, sources_in


def short_agent(forget_after: int = 24) -> AgentDefinition:
    """Return the spread agent with windows so short that all come round within a story."""
    return spread_agent(
        spread_tables(
            windows=(3, 5, 8),
            horizons=(1, 4),
            slots=14,
            baseline_seconds=2,
            baseline_panes=6,
            baseline_slots=512,
            fewest=2,
            forget_after=forget_after,
        )
    )


SHORT = short_agent()


class SourceWorker:
    """The part of a worker that one source keeps busy, as often killed as a test likes.

    What is published and what is in the changelog outlives it, as in Kafka.
    """

    def __init__(
        self,
        log: Mapping[Place, Sequence[bytes]],
        exchange: str,
        partition: int,
        changelog: Sequence[tuple[bytes, bytes]] = (),
        *,
        definition: AgentDefinition = SPREAD,
        slots: int = 0,
        compacted: bool = True,
    ) -> None:
        """Start with what the changelog holds, compacted or as it was written.

        With less `slots` than the agent has, the ring comes round sooner.
        """
        self.exchange, self.partition = exchange, partition
        self.compacted = compacted
        self.published: list[Output] = []
        self.changelog = list(changelog)
        self.log = log
        self._definition = msgspec.structs.replace(definition, slots=slots or definition.slots)
        self.source = self._opened()

    def read(self, kind: str, count: int) -> int:
        """Take the next `count` records of a topic; return how many there were."""
        topic = f"{self.exchange}_{kind}"
        source_log = self.source.logs[topic]
        values = self.log.get((topic, self.partition), [])
        start = source_log.next_offset
        chosen = values[start : start + count]
        for place, value in enumerate(chosen, start):
            source_log.take(place, value)
        return len(chosen)

    def close(self, limit: int = 1_000_000) -> list[ClosedStep]:
        """Close seconds, publish them and write them to the changelog."""
        return self.close_and_die(limit, None, None)

    def close_and_die(self, limit: int, outputs: int | None, steps: int | None) -> list[ClosedStep]:
        """Do the same, but die after so many outputs, or after all and so many changelog records.

        None dies of nothing there. A worker that has died is started again at once.
        """
        closed = self.source.close(limit)
        made = [output for step in closed for output in step.outputs]
        self.published += made[:outputs]
        if outputs is None:
            written = [(each.key, each.value) for step in closed for each in step.changelog]
            self.changelog += written[:steps]
        if outputs is not None or steps is not None:
            self.kill()
        return closed

    def kill(self) -> None:
        """Lose everything in memory, and start again from the changelog."""
        self.source = self._opened()

    def finish(self) -> list[bytes]:
        """Read and close everything that is left; return the values as they were published."""
        for kind in KINDS:
            self.read(kind, 1_000_000)
        self.close()
        return self.values()

    def values(self) -> list[bytes]:
        """Return every value of `spreads` that was published, repeats included."""
        return [output.value for output in self.published if output.topic == SPREADS.name]

    def series(self, topic: str = SPREADS.name) -> dict[bytes, bytes]:
        """Return the published values of a topic by key, as they were published first.

        Raises:
            AssertionError: a repeat was not the same bytes.
        """
        return {key: value for (name, key), value in self.records().items() if name == topic}

    def records(self) -> dict[tuple[str, bytes], bytes]:
        """Return every published value by topic and key, as `series` does."""
        series: dict[tuple[str, bytes], bytes] = {}
        for output in self.published:
            kept = series.setdefault((output.topic, output.key), output.value)
            assert kept == output.value, (output.topic, output.key)
        return series

    def restored(self) -> Restored | None:
        """Return what the changelog gives to go on from."""
        mirror = last_writes if self.compacted else furthest_writes
        return restore(mirror(self.changelog).values(), self._definition.needs)

    def _opened(self) -> Source:
        beginnings = {f"{self.exchange}_{kind}": 0 for kind in KINDS}
        return Source(self.exchange, self.partition, self._definition, self.restored(), beginnings)


def last_writes(changelog: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Step]:
    """Return what compaction leaves of a changelog: the last write of every key."""
    return {key: decode_step(value) for key, value in changelog}


def furthest_writes(changelog: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Step]:
    """Return what a worker remembers that reads a changelog which is not compacted yet."""
    table = SimpleNamespace(mirror={})
    for key, value in changelog:
        StepTable.remember(table, 0, key, decode_step(value))  # type: ignore[arg-type]
    steps: dict[bytes, Step] = table.mirror.get(0, {})
    return steps


def publish(log: Mapping[Place, Sequence[bytes]], exchange: str, partition: int) -> list[bytes]:
    """Return the values of a source that nothing disturbs."""
    return SourceWorker(log, exchange, partition).finish()


def records_of(
    log: Mapping[Place, Sequence[bytes]],
    exchange: str,
    partition: int,
    definition: AgentDefinition = SPREAD,
) -> dict[tuple[str, bytes], bytes]:
    """Return all that a source that nothing disturbs publishes, by topic and key."""
    worker = SourceWorker(log, exchange, partition, definition=definition)
    worker.finish()
    return worker.records()


def publish_all(log: Mapping[Place, Sequence[bytes]]) -> dict[Place, list[bytes]]:
    """Return the values of every source of a log."""
    return {source: publish(log, *source) for source in sources_in(log)}


def rows_in(values: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return published values as rows, one a market and second."""
    return [row for value in values for row in spread_objects(decode_spreads(value))]


def close_in(value: bytes) -> tuple[tuple[str, int, str], dict[str, tuple[float | None, int]]]:
    """Return a record of closes as (exchange, partition, as_of), and mid and n by market."""
    record = decode_closes(value)
    close = dict(zip(record.markets, zip(record.mid, record.n, strict=True), strict=True))
    return (record.exchange, record.partition, record.as_of), close
