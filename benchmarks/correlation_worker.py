"""A correlation worker of 1,000 coins over an hour: how soon it is back, and what a step costs."""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from agents.correlation.place import Place
from agents.correlation.table import RowSettings
from agents.correlation.tables import table_definition
from agents.runtime.steps import encode_step, step_key
from benchmarks.kafka import WorkerProcess, fresh_topics, running_kafka, wait_until, worker
from models.partition import partition_of
from models.records.closes import CLOSES_VERSION, Closes, encode_closes
from models.records.correlations import decode_block
from models.settings import Settings
from models.times import iso_seconds, seconds_of
from models.topics import CANDLES, CLOSES, CORRELATION_CHANGELOG, CORRELATIONS, topic_name

COINS, PARTITIONS = 1_000, 4
TABLE = "1h.60s.pearson"
_EXCHANGES = (("binance", "USDT"), ("coinbase", "USD"), ("kraken", "USD"))
_BEGIN = 1_800_000_000
_LIVE_STEPS = 12
_MISSING = 0.02
_STARTS = 3
# What Faust logs at the ends of the first parts; the last two end with a block.
_LOGGED = (
    "Executing _on_partitions_assigned",
    "Restoring state from changelog",
    "Recovery complete",
    "Seek stream partitions",
)
_PARTS = (
    "assigned: Faust waits and asks for offsets",
    "changelog read",
    "table rebuilt, positions committed",
    "matrix computed, row and first block sent",
    "other blocks sent",
    "assigned to matrix published again",
)


def run() -> None:
    """Print the recovery time and the cost of a step."""
    print(f"correlation worker: {COINS:,} coins on 3 exchanges, {TABLE}, {_MISSING:.0%} missing")
    definition = table_definition(TABLE, 50)
    with running_kafka(PARTITIONS) as settings:
        own = fresh_topics(settings, "bench-correlation").model_copy(
            update={"correlation_tables": [TABLE]}
        )
        partition = partition_of(TABLE, PARTITIONS)
        steps = definition.slots + _LIVE_STEPS
        closes = list(_closes(steps))
        with _Sender(own, partition) as sender:
            size = _seed(sender, closes[: definition.slots * len(closes) // steps])
            print(f"{'changelog':>44} {size / 1e6:8.1f} MB in {definition.slots} records")
            argv = [sys.executable, "-m", "services.cli", "agent", "correlation"]
            log = Path(own.data_dir) / f"{own.namespace}.log"
            last = _BEGIN + (definition.slots - 1) * definition.step_s
            recoveries: list[list[float]] = []
            for number in range(_STARTS):
                with worker(argv, own) as process:
                    process.wait_ready()
                    blocks = _published(own, partition, last, number + 1)
                    recoveries.append(_parts(log, blocks))
                    if number == _STARTS - 1:
                        _tell(recoveries)
                        used = _steps(process, own, sender, closes, partition)
            print(f"{'CPU a step, read to acknowledged':>44} {used / _LIVE_STEPS * 1e3:8.0f} ms")


def _steps(
    process: WorkerProcess,
    settings: Settings,
    sender: _Sender,
    closes: list[bytes],
    partition: int,
) -> float:
    """Let a worker that has recovered make some steps; return its CPU seconds."""
    definition = table_definition(TABLE, 50)
    before = process.cpu_seconds()
    a_step = len(closes) // (definition.slots + _LIVE_STEPS)
    for begin in range(definition.slots * a_step, len(closes), a_step):
        for value in closes[begin : begin + a_step]:
            sender.send(CLOSES.name, b"", value)
        sender.flush()
    last = _BEGIN + (definition.slots + _LIVE_STEPS - 1) * definition.step_s
    _published(settings, partition, last, 1)
    return process.cpu_seconds() - before


def _tell(recoveries: Sequence[Sequence[float]]) -> None:
    """Print every part of a recovery: the median, least and most of all starts."""
    for name, *seconds in zip(_PARTS, *recoveries, strict=True):
        print(
            f"{name:>44} {statistics.median(seconds):8.2f} s "
            f"({min(seconds):.2f}, {max(seconds):.2f})"
        )


class _Sender:
    """Sends records to one partition."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._namespace, self._partition = settings.namespace, partition
        self._producer = Producer(
            {"bootstrap.servers": settings.kafka_brokers, "linger.ms": 1, "log_level": 0}
        )

    def __enter__(self) -> _Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Send one record."""
        name = topic_name(topic, self._namespace)
        self._producer.produce(name, value, key, partition=self._partition)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until everything is acknowledged."""
        self._producer.flush()


def _closes(steps: int) -> Iterator[bytes]:
    """Return the closes at the steps alone: what lies between counts only for `ticks`."""
    random = np.random.default_rng(1)
    price = np.full(COINS, 100.0)
    for step in range(steps):
        price = price * np.exp(random.normal(0.0, 1e-3, COINS) + random.normal(0.0, 1e-3))
        for exchange, quote in _EXCHANGES:
            missing = random.random(COINS) < _MISSING
            for partition in range(PARTITIONS):
                mine = range(partition, COINS, PARTITIONS)
                yield encode_closes(
                    Closes(
                        CLOSES_VERSION,
                        exchange,
                        partition,
                        iso_seconds(_BEGIN + 10 * step),
                        [f"{exchange}:C{i}-{quote}" for i in mine],
                        [None if missing[i] else float(price[i]) for i in mine],
                        [3] * len(mine),
                    )
                )


def _seed(sender: _Sender, closes: list[bytes]) -> int:
    """Write closes, and the changelog that a worker leaves behind; return the latter's size."""
    definition = table_definition(TABLE, 50)
    place = Place(
        [definition], RowSettings(5.0, ("USD", "USDT")), [], {CLOSES.name: 0, CANDLES.name: 0}
    )
    size = 0
    for offset, value in enumerate(closes):
        sender.send(CLOSES.name, b"", value)
        place.grid.take(offset, value)
        for table in place.decide(True, {}):
            step = table.last
            if step is None:
                continue
            value = encode_step(step)
            size += len(value)
            key = step_key(TABLE, step.index, definition.slots)
            sender.send(CORRELATION_CHANGELOG.name, key, value)
    sender.flush()
    return size


def _published(settings: Settings, partition: int, second: int, times: int) -> tuple[float, float]:
    """Wait until a step's matrix is published so many times.

    Return when the last one's first and last block were handed to Kafka, in seconds.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_brokers,
            "group.id": "bench-reader",
            "enable.auto.commit": False,
        }
    )
    name = topic_name(CORRELATIONS.name, settings.namespace)
    consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING)])
    first: list[float] = []
    last: list[float] = []

    def has_come() -> bool:
        for message in consumer.consume(500, 0.05):
            if message.error() is None:
                block = decode_block(message.value() or b"")
                if seconds_of(block.as_of) == second:
                    at = message.timestamp()[1] / 1e3
                    if block.block == 0:
                        first.append(at)
                    if block.block == block.blocks - 1:
                        last.append(at)
        return len(last) >= times

    wait_until(has_come)
    consumer.close()
    return first[-1], last[-1]


def _parts(log: Path, blocks: tuple[float, float]) -> list[float]:
    """Return the seconds of every part of a recovery, and in all."""
    text = log.read_text(errors="replace")
    times = [*(_logged(text, words) for words in _LOGGED), *blocks]
    return [*(after - before for before, after in pairwise(times)), times[-1] - times[0]]


def _logged(text: str, words: str) -> float:
    matches = re.findall(rf"\[([-0-9]{{10}} [0-9:,]+)\].*{words}", text)
    return datetime.strptime(matches[-1], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
