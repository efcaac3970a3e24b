"""A Kafka of the benchmark's own, and worker processes whose CPU time is read."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from benchmarks.load import Record
from models.settings import Settings, environment_of
from models.topics import topic_name
from services.local.lag import group_lags
from services.local.ports import choose_port
from services.local.supervisor import STEP_S, Supervisor
from services.local.topics import create_topics
from services.local.workers import answers_ready

_LIMIT_SECONDS = 300.0


@contextmanager
def running_kafka(partitions: int) -> Iterator[Settings]:
    """Run a real Kafka in a folder of its own; yield the settings that find it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), partitions=partitions, exchanges=["kraken"])
        with Supervisor(settings) as supervisor:
            supervisor.wait_until_ready()
            stop = threading.Event()

            def look_after() -> None:
                while not stop.wait(STEP_S):
                    supervisor.step()

            keeper = threading.Thread(target=look_after)
            keeper.start()
            try:
                yield settings.model_copy(update={"kafka_brokers": supervisor.brokers})
            finally:
                stop.set()
                keeper.join()


class WorkerProcess:
    """One process whose CPU time is read from the system."""

    def __init__(self, argv: Sequence[str], settings: Settings, log: Path) -> None:
        """Start it."""
        self._port = choose_port("worker", 0, None, [])
        environment = {
            **os.environ,
            **environment_of(settings.model_copy(update={"agent_port": self._port})),
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                argv, env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def wait_ready(self) -> None:
        """Wait until it says that it is ready."""
        wait_until(lambda: answers_ready(self._port) or self._process.poll() is not None)
        if self._process.poll() is not None:
            raise RuntimeError(f"expected a worker, was exit {self._process.returncode}")

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def worker(argv: Sequence[str], settings: Settings) -> Iterator[WorkerProcess]:
    """Run a process for as long as the context lasts."""
    log = Path(settings.data_dir) / f"{settings.namespace}.log"
    process = WorkerProcess(argv, settings, log)
    try:
        yield process
    except BaseException:
        sys.stderr.write(log.read_text(errors="replace")[-4000:])
        raise
    finally:
        process.stop()


def produce(settings: Settings, records: Sequence[Record], pace: bool) -> None:
    """Send records, at once or when they are due."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_brokers,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    begin = time.monotonic_ns()
    for record in records:
        while pace and time.monotonic_ns() - begin < record.due:
            producer.poll(0.002)
        name = topic_name(record.topic, settings.namespace)
        while True:
            try:
                producer.produce(name, record.value, partition=record.partition)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


class TopicReader:
    """Reads a topic from its beginning; `records` are partition, key and value of what has come."""

    def __init__(self, settings: Settings, topic: str) -> None:
        """Find all partitions of the topic."""
        self.records: list[tuple[int, bytes, bytes]] = []
        name = topic_name(topic, settings.namespace)
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_brokers,
                "group.id": "bench-reader",
                "enable.auto.commit": False,
            }
        )
        self._next = dict.fromkeys(range(settings.partitions), 0)
        self._parts = [TopicPartition(name, p, OFFSET_BEGINNING) for p in self._next]
        self._consumer.assign(self._parts)

    def read(self) -> None:
        """Take what the topic holds by now."""
        ends = {
            part.partition: self._consumer.get_watermark_offsets(part)[1] for part in self._parts
        }
        while any(self._next[partition] < end for partition, end in ends.items()):
            for message in self._consumer.consume(1000, 0.2):
                partition, offset = message.partition(), message.offset()
                if message.error() is None and partition is not None and offset is not None:
                    self._next[partition] = offset + 1
                    self.records.append((partition, message.key() or b"", message.value() or b""))

    def close(self) -> None:
        """Leave the topic."""
        self._consumer.close()


def fresh_topics(settings: Settings, namespace: str) -> Settings:
    """Create the topics of a namespace; return the settings for it."""
    settings = settings.model_copy(update={"namespace": namespace})
    create_topics(settings.kafka_brokers, settings)
    return settings


def wait_for_no_lag(settings: Settings) -> None:
    """Wait until the group has committed everything."""

    def done() -> bool:
        lags = group_lags(settings.kafka_brokers, settings)
        return bool(lags) and all(each.lag == 0 for each in lags)

    wait_until(done)


def wait_until(done: object) -> None:
    """Poll a condition until it holds; give up after a limit."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not done():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise RuntimeError(f"expected a condition within {_LIMIT_SECONDS:g} s, it never held")
        time.sleep(0.2)


class Figure(msgspec.Struct, frozen=True):
    """One measured figure."""

    what: str
    value: float
    unit: str
