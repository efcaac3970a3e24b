"""The line under test: workers as real processes, captures on their way into Kafka, what came out.

Use `Line` as a context: every process it has started is ended at its exit, come what may. All
waiting is for conditions; at the limit it fails with the ends of the workers' logs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.replay import Replay
from agents.ingestion.source_state import OutgoingBurst
from models.kafka_clients import client_configuration
from models.records.spreads import decode_spreads
from models.records.unpacked import spread_objects
from models.settings import Settings, environment_of
from models.topics import SPREADS, exchange_topics, topic_name
from services.local.ports import LOOPBACK, choose_port
from services.local.topics import create_topics
from services.local.workers import answers_ready
from tests.oracle import differences, oracle_rows

ROOT = Path(__file__).resolve().parent.parent.parent
COMMITTED_CAPTURES = sorted((ROOT / "tests" / "captures").glob("*.jsonl.zst"))
# A guard against hanging, not a measure of speed.
LIMIT_S = 150.0
# What a broker allows at least (group.min.session.timeout.ms).
SESSION_S = 6.0
_POLL_S = 0.02
# A process under load may answer late; one that is not there refuses at once.
_ANSWER_LIMIT_S = 15.0
_KAFKA_LIMIT_S = 30.0
_TAIL_LINES = 40
_SHOWN = 20


def until(
    condition: Callable[[], bool], what: str, tell: Callable[[], str], limit_s: float = LIMIT_S
) -> None:
    """Wait for a condition; fail at the limit with what was awaited and what `tell` gives."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"expected {what} within {limit_s:.0f} s\n{tell()}"
        time.sleep(_POLL_S)


def tail_of(log: Path) -> str:
    """Return the end of a log under its name."""
    lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
    return "\n".join([f"--- the end of {log}", *lines])


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a process with these settings."""
    return {**os.environ, **environment_of(settings), "PYTHONUNBUFFERED": "1"}


def command(*words: str, module: str = "services.cli") -> list[str]:
    """Return the command line of `cointide …` with the interpreter of the tests."""
    return [sys.executable, "-m", module, *words]


def cointide(
    settings: Settings, *words: str | Path, limit_s: float = LIMIT_S
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as a user does, and return its status and output."""
    return subprocess.run(
        command(*map(str, words)),
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


class AgentWorker:
    """One worker of an agent (spread unless said otherwise), as a process of its own."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        port: int,
        instance: str,
        fault_point: str,
        agent: str = "spread",
        module: str = "services.cli",
    ) -> None:
        """Start it; its log is `logs/NAME.log` in the data folder."""
        self.name = name
        self.agent = agent
        self.port = port
        self.log = settings.data_dir / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        own = settings.model_copy(
            update={
                "agent_port": self.port,
                "agent_host": LOOPBACK,
                "instance": instance,
                "fault_point": fault_point,
                "session_timeout_s": SESSION_S,
            }
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("agent", agent, module=module),
                cwd=ROOT,
                env=environment(own),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_alive(self) -> bool:
        """Return whether the process runs (or is stopped by a signal)."""
        return self.process.poll() is None

    def is_ready(self) -> bool:
        """Return whether it says that it is ready."""
        return answers_ready(self.port)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.process.wait(_KAFKA_LIMIT_S)

    def stop(self) -> int:
        """Ask it to stop (SIGTERM), wait until it is gone, return its exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(_KAFKA_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"expected {self.name} to stop within {_KAFKA_LIMIT_S:.0f} s\n{tail_of(self.log)}"
            ) from None

    def metric(self, name: str) -> float:
        """Return a metric by its name with labels as Prometheus shows them; NaN without it."""
        try:
            with urllib.request.urlopen(
                f"http://{LOOPBACK}:{self.port}/metrics", timeout=_ANSWER_LIMIT_S
            ) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return float("nan")
        values = (line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} "))
        return float(next(values, "nan"))

    def partitions(self) -> int:
        """Return how many partitions it owns, 0 where it does not say."""
        owned = self.metric(f'cointide_partitions{{agent="{self.agent}"}}')
        return int(owned) if owned == owned else 0

    def seconds(self) -> float:
        """Return how many seconds it has closed, published and written down."""
        return self.metric(f'cointide_closed_seconds_total{{agent="{self.agent}"}}')


SpreadWorker = AgentWorker


@dataclass(frozen=True)
class Record:
    """A record as it lies in a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Line:
    """One namespace: its workers, its offsets, what it has published."""

    def __init__(
        self, settings: Settings, agent: str = "spread", inputs: Sequence[str] = ()
    ) -> None:
        """Create the topics of the settings' namespace.

        Workers are those of `agent`, which reads `inputs`, by default the exchanges' topics.
        """
        self.settings = settings
        self.agent = agent
        self.workers: list[AgentWorker] = []
        self._ports: dict[str, int] = {}
        self._consumer = Consumer(
            {
                **client_configuration(settings, settings.kafka_brokers),
                "group.id": topic_name(agent, settings.namespace),
                "enable.auto.commit": False,
            }
        )
        # It returns when every partition answers.
        create_topics(settings.kafka_brokers, settings)
        self._inputs = [
            TopicPartition(topic_name(topic, settings.namespace), partition)
            for topic in inputs
            or [each.name for name in settings.exchanges for each in exchange_topics(name)]
            for partition in range(settings.partitions)
        ]

    def __enter__(self) -> Line:
        """Return the line."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process: in order where nothing has failed, else at once."""
        alive = [worker for worker in self.workers if worker.is_alive()]
        for worker in alive:
            worker.signal(signal.SIGCONT)
            worker.signal(signal.SIGTERM if error is None else signal.SIGKILL)
        for worker in alive:
            try:
                worker.process.wait(_KAFKA_LIMIT_S)
            except subprocess.TimeoutExpired:
                worker.kill()
        self._consumer.close()

    def start_worker(
        self, instance: str = "", fault_point: str = "", module: str = "services.cli"
    ) -> AgentWorker:
        """Start a worker, dynamic in its group unless it has an `instance`; do not wait for it.

        An instance keeps its port, as under `cointide up`. `module` is run as `cointide`.
        """
        name = f"{self.agent}-{len(self.workers)}"
        port = self._ports.setdefault(instance or name, choose_port(name, 0, None, ()))
        worker = AgentWorker(self.settings, name, port, instance, fault_point, self.agent, module)
        self.workers.append(worker)
        return worker

    def wait_until_ready(self, *workers: AgentWorker) -> None:
        """Wait until these workers are ready."""
        for worker in workers:
            self.until(worker.is_ready, f"{worker.name} to be ready", alive=workers)

    def until(
        self,
        condition: Callable[[], bool],
        what: str,
        limit_s: float = LIMIT_S,
        alive: Iterable[AgentWorker] = (),
    ) -> None:
        """Wait for a condition; fail at the limit, or when one of `alive` has ended."""

        def holds() -> bool:
            for worker in alive:
                assert worker.is_alive(), (
                    f"expected {what}, but {worker.name} ended with "
                    f"status {worker.process.poll()}\n{tail_of(worker.log)}"
                )
            return condition()

        until(holds, what, self.tell, limit_s)

    def tell(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(tail_of(worker.log) for worker in self.workers)

    def committed(self) -> int:
        """Return the sum of the offsets that the group has committed."""
        places = self._consumer.committed(self._inputs, timeout=_KAFKA_LIMIT_S)
        return sum(max(0, place.offset) for place in places)

    def ends(self) -> int:
        """Return the sum of the end offsets of the topics that the group reads."""
        return sum(
            self._consumer.get_watermark_offsets(place, timeout=_KAFKA_LIMIT_S)[1]
            for place in self._inputs
        )

    def wait_until_done(self) -> None:
        """Wait until the group has committed every record: its lag is 0."""
        ends = self.ends()
        alive = [worker for worker in self.workers if worker.is_alive()]
        assert ends > 0
        assert alive, f"expected a worker to be alive\n{self.tell()}"
        self.until(lambda: self.committed() == ends, f"{ends} committed", alive=alive)

    def published(self) -> list[Record]:
        """Return every record of `spreads`, as often as it was sent."""
        return read_topic(self.settings, SPREADS.name)

    def replay(self, *captures: Path) -> subprocess.CompletedProcess[str]:
        """Run `cointide replay` and see it succeed."""
        done = cointide(self.settings, "replay", *captures)
        assert done.returncode == 0, f"replay ended with {done.returncode}: {done.stderr}"
        return done

    def assert_series(self, captures: Sequence[Path]) -> list[Record]:
        """See that what was published is what the oracle computes; return every record of it.

        None missing, none more, none different; what was published twice is the same bytes.
        """
        records = self.published()
        by_key: dict[bytes | None, set[bytes | None]] = defaultdict(set)
        for record in records:
            by_key[record.key].add(record.value)
        differing = sorted(str(key) for key, values in by_key.items() if len(values) > 1)
        assert not differing, f"published twice, not byte for byte the same: {differing[:_SHOWN]}"
        rows: list[dict[str, Any]] = []
        for record in {record.key: record for record in records}.values():
            assert record.value is not None
            spreads = decode_spreads(record.value)
            assert spreads.partition == record.partition
            rows.extend(spread_objects(spreads))
        found = differences(rows, expected_rows(tuple(captures), self.settings.partitions))
        assert not found, f"{len(found)} differences from the oracle:\n" + "\n".join(found[:_SHOWN])
        return records


@cache
def expected_rows(captures: tuple[Path, ...], partitions: int) -> list[dict[str, Any]]:
    """Return the oracle's rows of captures."""
    return oracle_rows(captures, partitions)


def read_topic(settings: Settings, topic: str) -> list[Record]:
    """Return all records of a topic up to what is its end now, partition by partition."""
    name = topic_name(topic, settings.namespace)
    consumer = Consumer(
        {
            **client_configuration(settings, settings.kafka_brokers),
            "group.id": f"reader-{os.getpid()}",
            "enable.auto.commit": False,
        }
    )
    try:
        partitions = consumer.list_topics(name, timeout=_KAFKA_LIMIT_S).topics[name].partitions
        places = [TopicPartition(name, partition, OFFSET_BEGINNING) for partition in partitions]
        ends = {
            place.partition: consumer.get_watermark_offsets(place, timeout=_KAFKA_LIMIT_S)[1]
            for place in places
        }
        left = {partition for partition, end in ends.items() if end > 0}
        consumer.assign(places)
        records: list[Record] = []
        deadline = time.monotonic() + LIMIT_S
        while left:
            assert time.monotonic() < deadline, f"expected the end of {name} in {sorted(left)}"
            for message in consumer.consume(1000, 0.2):
                if message.error() is not None:
                    continue
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                if offset < ends[partition]:
                    records.append(Record(partition, offset, message.key(), message.value()))
                if offset + 1 >= ends[partition]:
                    left.discard(partition)
    finally:
        consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


class OutgoingRecord(Protocol):
    """A record on its way into a topic, which is named without its namespace."""

    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...

    @property
    def key(self) -> bytes: ...

    @property
    def value(self) -> bytes: ...


class Feed:
    """The bursts of captures on their way into a namespace, at the pace of the test.

    They are what `cointide replay` sends, made by the same `Replay` into a fresh namespace.
    """

    def __init__(
        self,
        settings: Settings,
        captures: Sequence[Path] = (),
        records: Sequence[OutgoingRecord] | None = None,
    ) -> None:
        """Make all bursts, or take the records that are given; send none."""
        self.sent = 0
        self._settings = settings
        self._bursts: Sequence[OutgoingRecord] = (
            bursts_of(settings, captures) if records is None else records
        )
        self._failures: list[KafkaError] = []
        self._producer = Producer(
            {
                **client_configuration(settings, settings.kafka_brokers),
                "enable.idempotence": True,
                "linger.ms": 1,
                # Until acknowledged, however long the broker is away.
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 500,
                "retry.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def __len__(self) -> int:
        """Return how many records there are in all."""
        return len(self._bursts)

    def send(self, share: float, wait: bool = True) -> None:
        """Send what is missing to this share of all records; wait for the acknowledgements."""
        count = min(len(self), round(len(self) * share))
        for burst in self._bursts[self.sent : count]:
            self.produce(burst.topic, burst.partition, burst.key, burst.value)
        self.sent = max(self.sent, count)
        if wait:
            self.flush()

    def produce(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Send one record, of the captures or not; `topic` is without its namespace."""
        name = topic_name(topic, self._settings.namespace)
        self._producer.produce(name, value, key, partition=partition, on_delivery=self._delivered)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until everything sent is acknowledged."""
        left = self._producer.flush(LIMIT_S)
        assert not self._failures, f"expected acknowledgements, was {self._failures[0]}"
        assert left == 0, f"expected acknowledgements, {left} are missing"

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failures.append(error)


def bursts_of(settings: Settings, captures: Sequence[Path]) -> list[OutgoingBurst]:
    """Return the bursts of a replay into a fresh namespace, in the order of their sending."""
    replay = Replay(settings, lambda _: {})
    bursts: list[OutgoingBurst] = []
    for frame in merge_captures(captures):
        bursts += replay.step(frame).drain()
    replay.finish()
    for exchange in replay.lines.values():
        bursts += exchange.drain()
    return bursts


def drive(
    line: Line, feed: Feed, share: float, ahead: float = 0.06, limit_s: float = LIMIT_S
) -> None:
    """Feed until the group has committed this share of all records, staying `ahead` of it.

    So what is not committed stays bounded, however long a worker is away.
    """
    alive = [worker for worker in line.workers if worker.is_alive()]

    def has_come() -> bool:
        done = line.committed() / len(feed)
        feed.send(min(1.0, done + ahead))
        return done >= share

    line.until(has_come, f"{share:.0%} committed", limit_s, alive)


def is_reachable(brokers: str) -> bool:
    """Return whether a broker answers."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "probe", "log_level": 0})
    try:
        return bool(consumer.list_topics(timeout=1.0).brokers)
    except KafkaException:
        return False
    finally:
        consumer.close()
