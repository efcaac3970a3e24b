"""The published spreads of one namespace as they come, read beside everyone else."""

from __future__ import annotations

import os
import time
from types import TracebackType

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from models.errors import TransportError
from models.kafka_clients import client_configuration
from models.records.spreads import Spreads, decode_spreads
from models.settings import Settings
from models.topics import SPREADS, topic_name

_LIMIT_S = 30.0
_AT_ONCE = 500


class SpreadsFeed:
    """All partitions of `spreads` from their beginning, without a group and without commits.

    `undecodable` counts the records that are no spreads.
    """

    def __init__(self, brokers: str, settings: Settings) -> None:
        self._topic = topic_name(SPREADS.name, settings.namespace)
        self._consumer = Consumer(
            {
                **client_configuration(settings, brokers),
                # librdkafka wants a name; with `assign` and no commits there is no such group.
                "group.id": f"watch-{os.getpid()}-{time.monotonic_ns()}",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        self._next: dict[int, int] = {}
        self.undecodable = 0

    def __enter__(self) -> SpreadsFeed:
        """Begin at the beginning.

        Raises:
            TransportError: Kafka does not answer, or the topic is not there.
        """
        try:
            partitions = self._consumer.list_topics(self._topic, _LIMIT_S).topics[self._topic]
        except KafkaException as error:
            self._consumer.close()
            raise TransportError(f"expected to read {self._topic}, but: {error}") from error
        self._next = dict.fromkeys(partitions.partitions, 0)
        self._consumer.assign(
            [TopicPartition(self._topic, partition, OFFSET_BEGINNING) for partition in self._next]
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def take(self, wait_s: float) -> list[Spreads]:
        """Return what has come, after at most `wait_s` seconds; often nothing."""
        taken = []
        for message in self._consumer.consume(_AT_ONCE, wait_s):
            partition, offset, value = message.partition(), message.offset(), message.value()
            if message.error() is not None or partition is None or offset is None:
                continue  # an outage, which the client itself gets over
            self._next[partition] = offset + 1
            try:
                taken.append(decode_spreads(value or b""))
            except msgspec.DecodeError:
                self.undecodable += 1
        return taken

    def is_at_end(self) -> bool:
        """Return whether everything that is in the topic now has been taken."""
        try:
            return all(
                self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), timeout=_LIMIT_S
                )[1]
                <= following
                for partition, following in self._next.items()
            )
        except KafkaException:
            return False
