"""Ingestion in this process: a simulator, and a worker beside a log in memory.

Their clock may run faster than ours.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agents.ingestion.instruments.markets import INSTRUMENTS
from agents.ingestion.metrics import IngestionMetrics
from agents.ingestion.source_state import Found
from agents.ingestion.worker import IngestionWorker
from agents.runtime.consumer import RecordBatch
from models.partition import partition_of
from models.records.candles import Candles, decode_candles
from models.records.dead_letters import DeadLetter
from models.records.reference import Market, encode_reference
from models.settings import Settings
from services.simulator.market.model import ModelSettings
from services.simulator.server import ServerSettings, Simulator
from services.simulator.urls import simulated_urls

SECOND = 1_000_000_000
LIMIT_S = 120.0
LONGEST_STEP = SECOND // 32


class Clock:
    """A wall clock that runs so many times as fast from now on, or from `start` (ns).

    A faster one hardly runs on while this process stands still: a moment of a busy machine would
    be minutes in which nobody has done anything.
    """

    def __init__(self, speed: float, start: int | None = None) -> None:
        self._speed = speed
        self._now = time.time_ns() if start is None else start
        self._read = time.monotonic_ns()
        self._longest = LONGEST_STEP if speed > 1 else None

    def __call__(self) -> int:
        read = time.monotonic_ns()
        passed = read - self._read
        self._read = read
        self._now += int(min(passed, self._longest or passed) * self._speed)
        return self._now


class MemoryLog:
    """Kafka, as far as a worker of ingestion knows it."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[tuple[int, bytes | None, bytes]]] = defaultdict(list)
        self._candles: list[Candles] = []

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        """Take a record."""
        self.sent[topic].append((partition, key, value))
        delivery: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        delivery.set_result(None)
        return delivery

    async def commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Take positions."""

    async def beginnings(
        self, partitions: Iterable[tuple[str, int]]
    ) -> Mapping[tuple[str, int], int]:
        """Return the first offsets."""
        return dict.fromkeys(partitions, 0)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read on somewhere; ingestion never asks for it."""
        raise AssertionError(f"sought {offset} of {topic} {partition}")

    def candles(self) -> list[Candles]:
        """Return the records of the first partition; every other one has the same."""
        by_partition: defaultdict[int, list[tuple[bytes | None, bytes]]] = defaultdict(list)
        for partition, key, value in self.sent["candles"]:
            by_partition[partition].append((key, value))
        assert all(records == by_partition[0] for records in by_partition.values())
        # Asked for again and again while a clock runs fast: each is decoded once.
        for name, packed in by_partition[0][len(self._candles) :]:
            candles = decode_candles(packed)
            assert name == candles.market.encode()
            self._candles.append(candles)
        return list(self._candles)

    def letters(self) -> list[DeadLetter]:
        """Return the dead letters."""
        return [json.loads(value) for _, _, value in self.sent["dead_letters"]]


class Ingestion:
    """A simulator and a worker of ingestion in this process."""

    def __init__(self, simulator: Simulator, clock: Callable[[], int], **changes: object) -> None:
        chosen: dict[str, object] = {
            "source": "simulated",
            "partitions": 2,
            "exchanges": ["kraken"],
            # With a fast clock a moment of ours is long.
            "silence_limit_s": 3_600.0,
            "silence_limit_binance_s": 3_600.0,
            **simulated_urls(simulator.port),
        }
        self.settings = Settings(**(chosen | changes))  # type: ignore[arg-type]
        self.simulator = simulator
        self.log = MemoryLog()
        self.metrics = IngestionMetrics()
        self.generation = 0
        self.found: dict[int, Found] = {}
        self.worker = IngestionWorker(
            self.settings,
            self.log,
            lambda *_: None,
            lambda _, partitions: {
                each: self.found[each] for each in partitions if each in self.found
            },
            lambda: self.generation,
            self.metrics,
            clock,
        )
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ingestion:
        """Own every partition and follow every market."""
        await self.own(range(self.settings.partitions))
        self._running = asyncio.create_task(self.worker.run(lambda: False))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the worker."""
        assert self._running is not None
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        await self.worker.close()

    def markets(self) -> list[Market]:
        """Return what the exchanges list."""
        world = self.simulator.world
        return [
            market
            for exchange in self.settings.exchanges
            for market in INSTRUMENTS[exchange].read(
                world.rest[exchange].answer(INSTRUMENTS[exchange].path[1:], {}, world.now).body
            )
        ]

    async def own(self, partitions: Iterable[int]) -> None:
        """Be assigned these partitions, and read `markets` from its beginning."""
        owned = list(partitions)
        self.generation += 1
        await self.worker.revoked()
        await self.worker.open(owned, {})
        for partition in owned:
            markets = [
                market
                for market in self.markets()
                if partition_of(market.coin, self.settings.partitions) == partition
            ]
            records = [
                SimpleNamespace(
                    offset=offset, key=market.market.encode(), value=encode_reference(market)
                )
                for offset, market in enumerate(markets)
            ]
            self.worker.take("markets", RecordBatch("markets", partition, cast(Any, records)))

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric, 0 while it is not there."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert self._running is not None
            if self._running.done():
                self._running.result()
            assert time.monotonic() < deadline, f"expected {what}; {dict(self.metrics_shown())}"
            await asyncio.sleep(0.02)

    def metrics_shown(self) -> Iterable[tuple[str, float]]:
        """Yield the metrics that say something."""
        for family in self.metrics.registry.collect():
            for sample in family.samples:
                if "candle" in sample.name and not sample.name.endswith("_created"):
                    yield f"{sample.name}{sample.labels}", sample.value

    def assert_is_history(self, record: Candles) -> None:
        """See that a record tells what the simulator's market has traded in these minutes."""
        world = self.simulator.world
        (market,) = [m for m in world.model.markets if m.listing.market == record.market]
        begin, end = record.start[0] * SECOND, record.start[-1] * SECOND + 1
        source = world.history.bars if "coinbase" in record.market else world.history.unbroken_bars
        bars = source(market, begin, end)
        assert record.start == [bar.start // SECOND for bar in bars]
        tick = 10.0**-market.listing.price_digits
        for row, bar in enumerate(bars):
            prices = (record.open[row], record.high[row], record.low[row], record.close[row])
            expected = (bar.open, bar.high, bar.low, bar.close)
            assert prices == pytest.approx(expected, abs=0.51 * tick)
            assert record.volume[row] == pytest.approx(bar.volume, abs=1e-8)
            if record.quote_volume[row] is not None:
                slack = bar.volume * tick + 1e-8 * bar.close + 1e-8
                assert record.quote_volume[row] == pytest.approx(bar.value, abs=slack)
                assert record.trades[row] == bar.trades


def simulator_of(clock: Clock, coins: int = 2, rate: float = 40.0) -> Simulator:
    """Return a small simulator."""
    model = ModelSettings(seed=3, coins=coins, rate=rate)
    return Simulator(ServerSettings(model=model, limits=False), clock)
