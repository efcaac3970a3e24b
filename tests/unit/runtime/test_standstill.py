"""What a worker that stood still does before it sends anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import cast

import pytest

from agents.bars.worker import BarsWorker
from agents.runtime.consumer import RecordBatch
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.standstill import FormerOwnerError, Standstill
from models.settings import Settings
from tests.bars_in_memory import Trade, trade_value
from tests.integration.ingestion_in_memory import MemoryLog


class Group:
    """A group that counts a member in or does not, and a clock."""

    def __init__(self) -> None:
        self.time = 100.0
        self.asked = 0
        self.counts_in = True

    async def is_member(self) -> bool:
        """Answer a member."""
        self.asked += 1
        return self.counts_in


def check(standstill: Standstill) -> None:
    """Check once."""
    asyncio.run(standstill.check())


def test_a_worker_that_turns_asks_nothing_and_one_that_stood_still_asks_once() -> None:
    group = Group()
    standstill = Standstill(3.0, group.is_member, lambda: group.time)
    for _ in range(9):
        group.time += 2.9
        standstill.turn()
        check(standstill)
    assert group.asked == 0
    group.time += 3.1
    check(standstill)
    check(standstill)
    assert group.asked == 1


def test_who_was_taken_for_dead_sends_nothing_until_it_is_assigned_again() -> None:
    """Also when the event loop has turned before anything was to be sent."""
    group = Group()
    standstill = Standstill(3.0, group.is_member, lambda: group.time)
    group.time += 10
    group.counts_in = False
    standstill.turn()
    for _ in range(2):
        with pytest.raises(FormerOwnerError, match="taken for dead"):
            check(standstill)
    standstill.assigned()
    check(standstill)
    assert group.asked == 2


class Kafka(MemoryLog):
    """Kafka, as far as a worker knows it, that refuses a former owner."""

    def __init__(self) -> None:
        super().__init__()
        self.has_refused = asyncio.Event()
        self.has_sent = asyncio.Event()
        """Whether bars and indicators have come."""
        self.refuses = False

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        """Take a record, or none."""
        if self.refuses:
            self.has_refused.set()
            raise FormerOwnerError("expected a member")
        taken = await super().send(topic, partition, key, value)
        if {"bars", "indicators"} <= set(self.sent):
            self.has_sent.set()
        return taken


def test_a_former_owner_forgets_what_it_had_in_hand_and_goes_on_when_it_is_assigned_again() -> None:
    async def run() -> None:
        kafka = Kafka()
        settings = Settings(exchanges=["kraken"], partitions=1)
        worker = BarsWorker(settings, kafka, lambda *_: None, WorkerMetrics("bars"))
        values = [
            trade_value(0, [Trade("kraken:BTC-USD", 5, 1.0)]),
            trade_value(60),
            trade_value(120),
        ]
        records = [_Record(offset, value) for offset, value in enumerate(values)]
        running = asyncio.create_task(worker.run(lambda: False))

        async def assigned() -> None:
            await worker.open([0], {})
            worker.take("kraken_trades", cast(RecordBatch, _Batch("kraken_trades", 0, records)))

        kafka.refuses = True
        await assigned()
        async with asyncio.timeout(60):
            await kafka.has_refused.wait()
        await asyncio.sleep(0.3)  # that it does not end shows only in time that passes
        assert not running.done()
        assert kafka.sent == {}
        worker.take("kraken_trades", cast(RecordBatch, _Batch("kraken_trades", 0, records)))
        kafka.refuses = False
        await asyncio.sleep(0.3)
        assert kafka.sent == {}
        await assigned()
        async with asyncio.timeout(60):
            await kafka.has_sent.wait()
        assert set(kafka.sent) >= {"bars", "indicators"}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


class _Record:
    def __init__(self, offset: int, value: bytes) -> None:
        self.offset, self.key, self.value = offset, b"", value


class _Batch:
    def __init__(self, topic: str, partition: int, records: list[_Record]) -> None:
        self.topic, self.partition, self.records = topic, partition, records
