"""Reads topics as they stand, without a consumer group: all of them, or from a place or time on."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from models.errors import TransportError
from models.kafka_clients import client_configuration
from models.settings import Settings

_LIMIT_S = 30.0
_AT_ONCE = 500
_STEP_S = 0.05
# A topic that has just been created, or whose leader changes: soon somebody leads it.
_MOVING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
_ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


class TopicRecord(msgspec.Struct, frozen=True):
    """A record as it lies in a topic; `topic` is Kafka's name of it, `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0


class ReadFrom(msgspec.Struct, frozen=True):
    """A partition, and where its reading begins: at what lies furthest on of what is given.

    `offset` is the first one, `since_ms` a time of production (ms), `newest` how many offsets
    before the end.
    """

    topic: str
    partition: int
    offset: int = 0
    since_ms: int | None = None
    newest: int | None = None


class TopicReader:
    """Reads up to what is the end when reading begins. Use it as a context; it blocks.

    Methods raise TransportError where Kafka does not answer or a topic is not there.
    """

    def __init__(self, brokers: str, settings: Settings, limit_s: float = _LIMIT_S) -> None:
        """Connect lazily; `limit_s` is the longest wait for an answer or the next record."""
        self._limit_s = limit_s
        self._consumer = Consumer(
            {
                **client_configuration(settings, brokers),
                # librdkafka wants a name; with `assign` and no commits there is no such group.
                "group.id": f"topic-reader-{os.getpid()}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def partitions(self, name: str) -> list[int]:
        """Return the partitions of a topic."""
        try:
            found = self._consumer.list_topics(name, timeout=self._limit_s).topics[name]
        except KafkaException as error:
            raise TransportError(f"expected topic {name}, but {error}") from error
        if found.error is not None:
            raise TransportError(f"expected topic {name} to be there, but {found.error}")
        return sorted(found.partitions)

    def was_written(self, name: str) -> bool:
        """Return whether a topic has ever held a record; one that is not there has not."""
        try:
            found = self._consumer.list_topics(name, timeout=self._limit_s).topics[name]
        except KafkaException as error:
            raise TransportError(f"expected topic {name}, but {error}") from error
        if found.error is not None and found.error.code() in _ABSENT:
            return False
        return any(self.bounds(name, partition)[1] for partition in self.partitions(name))

    def bounds(self, name: str, partition: int) -> tuple[int, int]:
        """Return the first offset that a partition holds, and the one after its last."""
        deadline = time.monotonic() + self._limit_s
        while True:
            try:
                return self._consumer.get_watermark_offsets(
                    TopicPartition(name, partition), timeout=self._limit_s
                )
            except KafkaException as error:
                is_moving = error.args[0].code() in _MOVING
                if not is_moving or time.monotonic() > deadline:
                    raise TransportError(f"expected the ends of {name}, but {error}") from error
            time.sleep(_STEP_S)

    def read(self, places: Iterable[ReadFrom]) -> Iterator[TopicRecord]:
        """Yield the records of these partitions; of one partition in offset order."""
        places = list(places)
        names = ", ".join(sorted({place.topic for place in places}))
        try:
            yield from self._read(places, names)
        except KafkaException as error:
            raise TransportError(f"expected to read {names}, but {error}") from error

    def _read(self, places: list[ReadFrom], names: str) -> Iterator[TopicRecord]:
        ends = self._begin(places)
        deadline = time.monotonic() + self._limit_s
        while ends:
            messages = self._consumer.consume(_AT_ONCE, _STEP_S)
            if messages:
                deadline = time.monotonic() + self._limit_s
            elif time.monotonic() > deadline:
                raise TransportError(f"expected the ends of {names}, was no answer")
            for message in messages:
                at = str(message.topic()), int(message.partition() or 0)
                offset, error = message.offset(), message.error()
                if at not in ends or offset is None:
                    continue
                if error is not None:
                    # The last offsets of a compacted topic may be gone.
                    if error.code() == KafkaError._PARTITION_EOF:
                        del ends[at]
                    continue
                if offset < ends[at]:
                    time_ms = message.timestamp()[1]
                    yield TopicRecord(*at, offset, message.key(), message.value(), time_ms)
                if offset + 1 >= ends[at]:
                    del ends[at]

    def _begin(self, places: list[ReadFrom]) -> dict[tuple[str, int], int]:
        """Begin to fetch; return the ends of those partitions of which there is something."""
        ends: dict[tuple[str, int], int] = {}
        starts: list[TopicPartition] = []
        for place in places:
            low, high = self.bounds(place.topic, place.partition)
            start = max(low, place.offset, self._offset_at(place, high))
            if place.newest is not None:
                start = max(start, high - place.newest)
            if start < high:
                starts.append(TopicPartition(place.topic, place.partition, start))
                ends[place.topic, place.partition] = high
        if starts:
            self._consumer.assign(starts)
        return ends

    def _offset_at(self, place: ReadFrom, high: int) -> int:
        if place.since_ms is None:
            return 0
        asked = [TopicPartition(place.topic, place.partition, max(place.since_ms, 0))]
        (found,) = self._consumer.offsets_for_times(asked, timeout=self._limit_s)
        return found.offset if found.offset >= 0 else high


def read_topics(
    brokers: str,
    settings: Settings,
    topics: Iterable[str],
    partitions: Iterable[int] | None = None,
    newest: int | None = None,
) -> list[TopicRecord]:
    """Return the records up to what is the end now; of one partition in offset order. It blocks.

    Of all partitions unless some are given, and all that is held, unless only the `newest` offsets
    of each partition are asked for.

    Raises:
        TransportError: Kafka does not answer, or a topic is not there.
    """
    wanted = None if partitions is None else list(partitions)
    with TopicReader(brokers, settings) as reader:
        places = [
            ReadFrom(name, partition, newest=newest)
            for name in topics
            for partition in (reader.partitions(name) if wanted is None else wanted)
        ]
        return list(reader.read(places))
