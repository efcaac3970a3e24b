"""What Cassandra holds in the end follows from the topics alone, whoever wrote it and how often."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.archive.cassandra.store import units_at_once
from models.archive.chunks import ArchivedRecord
from models.archive.series_cutters import CUTTERS, series_cutter
from models.archive.series_cutting import ResumePoint
from models.archive.series_rows import decoded
from models.errors import RecordError
from models.partition import partition_of
from tests.unit.archive.made_series import (
    PARTITIONS,
    keyed,
    last_matrices,
    made_series,
    rows_in_kafka,
    shown_rows,
)
from tests.unit.archive.memory_store import MemoryStore

_PARTITION = partition_of("BTC", PARTITIONS)
_IDLE_S = 20.0


@cache
def _records(topic: str) -> list[ArchivedRecord]:
    return made_series(400)[topic, _PARTITION]


@cache
def _expected(topic: str) -> Any:
    records = [(record.offset, record.value) for record in _records(topic)]
    return last_matrices(records) if topic == "correlations" else rows_in_kafka(topic, records)


class _Writer:
    """One worker's way through a topic partition, without Kafka and without Faust."""

    def __init__(self, topic: str, store: MemoryStore, chance: random.Random) -> None:
        self._topic = topic
        self._store = store
        self._chance = chance
        place = topic, _PARTITION
        found = store.progress([place]).get(place)
        next_offset = 0 if found is None else found.next_offset
        reaches = {} if found is None else found.reaches
        self.cutter = series_cutter(ResumePoint(*place, next_offset, reaches, _IDLE_S))

    def steps(self) -> Iterator[None]:
        """Read and write to the end, to be stopped after any step."""
        records, cutter, chance = _records(self._topic), self.cutter, self._chance
        while cutter.next_offset < len(records):
            for record in records[cutter.next_offset :][: chance.randrange(1, 200)]:
                try:
                    cutter.take(record.offset, record.value, record.timestamp, record.key)
                except RecordError:
                    continue
            if chance.random() < 0.2:
                cutter.close_idle(cutter.next_offset, float("inf"))
            yield from self._write()
        while cutter.close_idle(cutter.next_offset, float("inf")):
            yield from self._write()

    def _write(self) -> Iterator[None]:
        cutter, store = self.cutter, self._store
        while cutter.finished:
            chosen = units_at_once(cutter.finished, 1 << 20, self._chance.randrange(1, 8))
            units = [decoded(self._topic, unit) for unit in chosen]
            store.write(self._topic, units)
            yield
            reaches = cutter.reaches_with(len(chosen))
            up_to = cutter.written_up_to_with(len(chosen))
            store.tell(self._topic, _PARTITION, up_to, reaches)
            cutter.done(len(chosen))
            yield


def _assert_exact(topic: str, store: MemoryStore) -> None:
    if topic == "correlations":
        assert store.matrices() == _expected(topic)
        return
    rows = shown_rows(store.table(topic))
    found = keyed(topic, rows)
    assert len(rows) == len(found)
    assert found == _expected(topic)


@pytest.mark.parametrize("topic", CUTTERS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_killed_and_taken_for_dead_writers_come_to_what_the_topic_holds(
    topic: str, seed: int
) -> None:
    """Some die between two writes; some go on beside their successors. Any order is as good."""
    chance = random.Random(seed)
    store = MemoryStore()
    zombies: list[Iterator[None]] = []
    for _ in range(chance.randrange(1, 4)):
        steps = _Writer(topic, store, chance).steps()
        for _ in range(chance.randrange(1, 30)):
            next(steps, None)
            for zombie in zombies:
                if chance.random() < 0.3:
                    next(zombie, None)
        if chance.random() < 0.5:
            zombies.append(steps)
    for _ in _Writer(topic, store, chance).steps():
        for zombie in zombies:
            if chance.random() < 0.3:
                next(zombie, None)
    _assert_exact(topic, store)
    written_elsewhere = MemoryStore()
    chance.shuffle(store.writes)
    for row in store.writes:
        written_elsewhere.apply(row)
    _assert_exact(topic, written_elsewhere)
