"""A worker beside a log that acknowledges at once, and in which a test looks up the order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from agents.correlation.metrics import CorrelationMetrics
from agents.correlation.tables import table_definition
from agents.correlation.worker import CorrelationWorker
from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.steps import Step, decode_step
from models.errors import InvariantError, TransportError
from models.records.correlations import decode_block, decode_returns
from models.topics import (
    CANDLES,
    CLOSES,
    CORRELATION_CHANGELOG,
    CORRELATIONS,
    DEAD_LETTERS,
    RETURNS,
)
from tests.correlation_made import ROW_SETTINGS, START, closes, encoded

TABLE = "10m.10s.pearson"
Place = tuple[str, int]


class KilledError(Exception):
    """The worker was killed at a fault point."""


class Kafka:
    """Kafka, as far as a worker knows it; outlives the workers of a test."""

    def __init__(self, log: Sequence[bytes], candles: Sequence[bytes] = ()) -> None:
        self.logs = {CLOSES.name: log, CANDLES.name: candles}
        self.sent: list[tuple[str, int, bytes | None, bytes]] = []
        self.committed: dict[Place, int] = {}
        self.told: list[str] = []

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        self.sent.append((topic, partition, key, value))
        self.told.append(topic)
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def commit(self, positions: Mapping[Place, int]) -> None:
        self.committed |= positions
        self.told.append("commit")

    async def beginnings(self, partitions: Iterable[Place]) -> Mapping[Place, int]:
        return dict.fromkeys(partitions, 0)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        self.told.append(f"seek {topic} {partition} {offset}")

    def mirror(self) -> dict[int, dict[bytes, Step]]:
        found: dict[int, dict[bytes, Step]] = {}
        for topic, partition, key, value in self.sent:
            if topic == CORRELATION_CHANGELOG.name and key is not None:
                found.setdefault(partition, {})[key] = decode_step(value)
        return found

    def published(self) -> tuple[list[str], list[str]]:
        """Return the times of rows and matrices, in the order in which they were sent."""
        rows = [decode_returns(sent[3]).as_of for sent in self.sent if sent[0] == RETURNS.name]
        matrices = [
            decode_block(sent[3]).as_of for sent in self.sent if sent[0] == CORRELATIONS.name
        ]
        return rows, matrices


def killed() -> None:
    raise KilledError


def worker_on(
    kafka: Kafka, fault: str = "", values: Mapping[str, float] | None = None
) -> CorrelationWorker:
    """Return a worker with one table, in partition 0; without values its market values fail."""

    def read() -> Mapping[str, float]:
        if values is None:
            raise TransportError("expected an answer")
        return values

    return CorrelationWorker(
        {0: [table_definition(TABLE, 50)]},
        ROW_SETTINGS,
        kafka,
        lambda *_: None,
        read,
        lambda topic, _: len(kafka.logs[topic]),
        CorrelationMetrics(),
        FaultPoints(fault, killed),
    )


async def run(kafka: Kafka, fault: str = "", partitions: Iterable[int] = (0,)) -> bool:
    """Run a worker over everything there is; return whether it was killed."""
    worker = worker_on(kafka, fault)
    await worker.open(partitions, kafka.mirror())
    for topic, log in kafka.logs.items():
        for partition in partitions:
            first = kafka.committed.get((topic, partition), 0)
            records: list[Any] = [
                SimpleNamespace(offset=offset, key=b"", value=value)
                for offset, value in enumerate(log)
                if offset >= first
            ]
            worker.take(topic, RecordBatch(topic, partition, records))
    rounds = iter(range(20))
    try:
        await worker.run(lambda: next(rounds, None) is None)
    except KilledError:
        return True
    await worker.close()
    return False


def made(seconds: int) -> list[bytes]:
    return encoded(
        closes("kraken", START + second, {"A-USD": 1.0 + second}) for second in range(seconds)
    )


def test_the_changelog_comes_first_then_the_row_then_its_matrix_then_the_commit() -> None:
    kafka = Kafka(made(11))
    assert not asyncio.run(run(kafka))
    a_step = [CORRELATION_CHANGELOG.name, RETURNS.name, CORRELATIONS.name]
    assert kafka.told == ["commit", *a_step, *a_step, "commit"]
    assert kafka.committed == {(CLOSES.name, 0): 11, (CANDLES.name, 0): 0}


@pytest.mark.parametrize("fault", ["changelog_acknowledged:2", "outputs_acknowledged:2"])
def test_a_step_that_was_accepted_is_published_before_the_next_one_is_decided(fault: str) -> None:
    kafka = Kafka(made(41))
    assert asyncio.run(run(kafka, fault))
    # More has come in the meantime: the next step could be decided at once.
    assert not asyncio.run(run(kafka))
    rows, matrices = kafka.published()
    assert sorted(set(rows)) == sorted(set(matrices))
    assert len(set(rows)) == 5
    assert rows == sorted(rows)
    assert len(rows) == (5 if fault.startswith("changelog") else 6)
    again = [sent for sent in kafka.sent if sent[0] == RETURNS.name]
    assert len(set(again)) == 5, "what is sent twice is the same bytes"


def test_a_partition_without_tables_is_committed_as_it_is_read() -> None:
    kafka = Kafka(made(11))
    assert not asyncio.run(run(kafka, partitions=(1, 0)))
    assert kafka.committed == {
        (CLOSES.name, 0): 11,
        (CANDLES.name, 0): 0,
        (CLOSES.name, 1): 11,
    }
    assert {partition for _, partition, _, _ in kafka.sent} == {0}


def test_what_a_partition_without_tables_brings_before_it_is_opened_is_committed_too() -> None:
    """Faust reads on while `open` waits, and what it has read does not come again."""

    async def opened_late() -> Kafka:
        kafka = Kafka(made(11))
        worker = worker_on(kafka)
        record: Any = SimpleNamespace(offset=10, key=b"", value=b"")
        worker.take(CLOSES.name, RecordBatch(CLOSES.name, 1, [record]))
        await worker.open((0, 1), kafka.mirror())
        await worker.close()
        return kafka

    assert asyncio.run(opened_late()).committed[CLOSES.name, 1] == 11


def test_what_cannot_be_decoded_goes_to_the_dead_letters_and_the_line_goes_on() -> None:
    log = made(11)
    log[4] = b"no closes"
    kafka = Kafka(log, [b"no candles"])
    assert not asyncio.run(run(kafka))
    assert kafka.told.count(DEAD_LETTERS.name) == 2
    assert len(kafka.published()[0]) == 2
    assert kafka.committed == {(CLOSES.name, 0): 11, (CANDLES.name, 0): 1}


def test_market_values_are_read_only_where_the_number_of_coins_is_limited() -> None:
    async def opened(name: str) -> None:
        kafka = Kafka([])
        worker = worker_on(kafka)
        worker._definitions = {0: [table_definition(name, 50)]}
        await worker.open([0], {})

    asyncio.run(opened(TABLE))
    with pytest.raises(TransportError, match="expected an answer"):
        asyncio.run(opened("10m.10s.ewma"))


def test_reading_that_began_too_far_on_is_taken_back() -> None:
    kafka = Kafka(made(11))

    async def taken() -> None:
        worker = worker_on(kafka)
        await worker.open([0], {})
        late: list[Any] = [SimpleNamespace(offset=4, key=b"", value=kafka.logs[CLOSES.name][4])]
        worker.take(CLOSES.name, RecordBatch(CLOSES.name, 0, late))
        await worker.room()
        assert kafka.told[-1] == "seek closes 0 0"
        records: list[Any] = [
            SimpleNamespace(offset=offset, key=b"", value=value)
            for offset, value in enumerate(kafka.logs[CLOSES.name])
        ]
        worker.take(CLOSES.name, RecordBatch(CLOSES.name, 0, records))
        await worker.room()
        assert kafka.told[-1] == "seek closes 0 0", "no second one"
        rounds = iter(range(5))
        await worker.run(lambda: next(rounds, None) is None)

    asyncio.run(taken())
    assert len(kafka.published()[0]) == 2


def test_records_that_are_gone_for_good_stop_the_worker() -> None:
    kafka = Kafka(made(11))

    async def taken() -> None:
        worker = worker_on(kafka)
        await worker.open([0], {})
        late: list[Any] = [SimpleNamespace(offset=4, key=b"", value=b"")]
        for _ in range(2_000):
            worker.take(CLOSES.name, RecordBatch(CLOSES.name, 0, late))

    with pytest.raises(InvariantError, match="expected offset 0 of closes, was 4"):
        asyncio.run(taken())
