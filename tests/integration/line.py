"""The line under test: workers as real processes, a replay into Kafka, what came out.

Use `Line` as a context: every process it has started is ended at its exit, come what may. All
waiting is for conditions; at the limit it fails with the ends of the workers' logs.
"""

from __future__ import annotations

import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from models.kafka_clients import client_configuration
from models.records.spreads import decode_spreads
from models.records.unpacked import spread_objects
from models.settings import Settings
from models.topics import SPREADS, exchange_topics, topic_name
from services.local.ports import choose_port
from services.local.topics import create_topics
from tests.integration.agent_worker import AgentWorker
from tests.integration.commands import cointide
from tests.integration.topic_records import Record, read_topic
from tests.integration.waiting import LIMIT_S, tail_of, until
from tests.oracle import differences, oracle_rows

_KAFKA_LIMIT_S = 30.0
_SHOWN = 20


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
