"""Bursts on their way into a namespace, at the pace of the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from confluent_kafka import KafkaError, Message, Producer

from models.kafka_clients import client_configuration
from models.settings import Settings
from models.topics import topic_name
from tests.burst_log import bursts_of, captured
from tests.integration.line import Line
from tests.integration.waiting import LIMIT_S


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
            bursts_of(captured(captures), settings) if records is None else records
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
