"""A spread worker on a bench, whose log holds back the acknowledgements that a test names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.steps import Step
from agents.runtime.worker import TopicPartition, Worker
from agents.spread.app import SPREAD
from models.topics import CLOSES
from tests.made_bursts import SECOND, START, QuoteTick, quote_burst, trade_burst

CHANGELOG = "spread-panes-changelog"
QUOTES, TRADES = "kraken_quotes", "kraken_trades"


class Sent(msgspec.Struct, frozen=True):
    """A record that was handed to the producer."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


class FakeLog:
    """Kafka, as far as a worker knows it.

    `told` holds everything in order: ("sent", topic), ("acknowledged", topic), ("committed", …).
    Topics in `held` are acknowledged by `release` only. The copies of `closes` are kept apart.
    """

    def __init__(self, held: Iterable[str] = ()) -> None:
        self.told: list[tuple[str, Any]] = []
        self.sent: list[Sent] = []
        self.closes: list[Sent] = []
        self.held = set(held)
        self.failing: str | None = None
        self.at_commit: Callable[[], Awaitable[None]] | None = None
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        """Take a record."""
        if topic == CLOSES.name:
            self.closes.append(Sent(topic, partition, key, value))
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        self.sent.append(Sent(topic, partition, key, value))
        self.told.append(("sent", topic))
        delivery: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if topic == self.failing:
            delivery.set_exception(OSError("no broker"))
        elif topic in self.held:
            self._waiting.append((topic, delivery))
        else:
            self._acknowledge(topic, delivery)
        return delivery

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take positions."""
        self.told.append(("committed", dict(positions)))
        if self.at_commit is not None:
            await self.at_commit()

    async def beginnings(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        """Hold everything from the start."""
        return dict.fromkeys(partitions, 0)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Take note of where reading is to go on."""
        self.told.append(("sought", (topic, partition, offset)))

    def release(self, topic: str) -> None:
        """Acknowledge what was held back of a topic, and hold nothing more of it."""
        self.held.discard(topic)
        for name, delivery in self._waiting:
            if name == topic:
                self._acknowledge(topic, delivery)
        self._waiting = [each for each in self._waiting if each[0] != topic]

    def values(self, topic: str) -> list[bytes]:
        """Return the values that were sent to a topic."""
        return [sent.value for sent in self.sent if sent.topic == topic]

    def count(self, what: str, about: str) -> int:
        """Return how often something was told of a topic."""
        return self.told.count((what, about))

    def _acknowledge(self, topic: str, delivery: asyncio.Future[None]) -> None:
        self.told.append(("acknowledged", topic))
        delivery.set_result(None)


class Bench:
    """A worker of the spread agent at work."""

    def __init__(self, held: Iterable[str] = (), plan: str = "") -> None:
        self.log = FakeLog(held)
        self.remembered: list[tuple[int, bytes, Step]] = []
        self.metrics = WorkerMetrics("spread")
        self.reached: list[int] = []
        self.worker = Worker(
            SPREAD,
            ["kraken"],
            CHANGELOG,
            self.log,
            lambda partition, key, step: self.remembered.append((partition, key, step)),
            self.metrics,
            FaultPoints(plan, kill=lambda: self.reached.append(len(self.log.told))),
            partitions=3,
        )
        self.stopped = False
        self.running: asyncio.Task[None] | None = None

    async def open(self, partitions: Sequence[int] = (2,), mirror: Any = None) -> None:
        """Own partitions and run."""
        await self.worker.open(partitions, mirror or {})
        self.log.told.clear()
        if self.running is None:
            self.running = asyncio.create_task(self.worker.run(lambda: self.stopped))

    def take(self, topic: str, *values: bytes | None, first: int = 0, partition: int = 2) -> None:
        """Hand the worker the records of a fetch."""
        records: list[Any] = [
            SimpleNamespace(offset=offset, key=b"key", value=value)
            for offset, value in enumerate(values, first)
        ]
        self.worker.take(topic, RecordBatch(f"trial.{topic}", partition, records))

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the worker run until something is so."""
        async with asyncio.timeout(30):
            while not condition():
                assert self.running is not None
                if self.running.done():
                    self.running.result()
                await asyncio.sleep(0.001)

    def has_remembered(self, steps: int) -> bool:
        """Return whether so many steps were acknowledged."""
        return len(self.remembered) == steps

    async def settle(self) -> None:
        """Let the worker run as far as it can go."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stop the worker."""
        self.stopped = True
        assert self.running is not None
        await self.running

    def counted(self, name: str, **labels: str) -> float | None:
        """Return a counter."""
        return self.metrics.registry.get_sample_value(name, {"agent": "spread", **labels})


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test, at most half a minute."""

    async def limited() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(limited())


def quotes(second: int, price: float = 100.0) -> bytes:
    """Return a burst with a quote of one second that closes it."""
    tick = QuoteTick("kraken:BTC-USD", START + second * SECOND, price, price + 1)
    return quote_burst(START + (second + 1) * SECOND, [tick])


def trades(second: int) -> bytes:
    """Return an empty burst of trades that closes a second."""
    return trade_burst(START + (second + 1) * SECOND)
