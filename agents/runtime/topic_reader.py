"""Reads topics as they stand, without a consumer group: all of them, or their newest records."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from models.errors import TransportError
from models.kafka_clients import client_configuration
from models.settings import Settings

_LIMIT_S = 30.0
_AT_ONCE = 500
_STEP_S = 0.05


class TopicRecord(msgspec.Struct, frozen=True):
    """A record as it lies in a topic; `topic` is Kafka's name of it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


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
    names = list(topics)
    wanted = None if partitions is None else list(partitions)
    consumer = Consumer(
        {
            **client_configuration(settings, brokers),
            # librdkafka wants a name; with `assign` and no commits there is no such group.
            "group.id": f"topic-reader-{os.getpid()}",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        places = [
            TopicPartition(name, partition)
            for name in names
            for partition in (_partitions(consumer, name) if wanted is None else wanted)
        ]
        return list(_read(consumer, names, places, newest))
    except KafkaException as error:
        raise TransportError(f"expected to read {', '.join(names)}, but {error}") from error
    finally:
        consumer.close()


def _partitions(consumer: Consumer, name: str) -> list[int]:
    found = consumer.list_topics(name, timeout=_LIMIT_S).topics[name]
    if found.error is not None:
        raise TransportError(f"expected topic {name} to be there, but {found.error}")
    return sorted(found.partitions)


def _read(
    consumer: Consumer, names: list[str], places: list[TopicPartition], newest: int | None
) -> Iterator[TopicRecord]:
    starts: list[TopicPartition] = []
    ends: dict[tuple[str, int], int] = {}
    for place in places:
        low, high = consumer.get_watermark_offsets(place, timeout=_LIMIT_S)
        if high > low:
            start = low if newest is None else max(low, high - newest)
            starts.append(TopicPartition(place.topic, place.partition, start))
            ends[place.topic, place.partition] = high
    if starts:
        consumer.assign(starts)
    deadline = time.monotonic() + _LIMIT_S
    while ends:
        messages = consumer.consume(_AT_ONCE, _STEP_S)
        if messages:
            deadline = time.monotonic() + _LIMIT_S
        elif time.monotonic() > deadline:
            raise TransportError(f"expected the ends of {', '.join(names)}, was no answer")
        for message in messages:
            topic, partition = str(message.topic()), int(message.partition() or 0)
            offset = message.offset()
            if message.error() is not None or offset is None or (topic, partition) not in ends:
                continue
            yield TopicRecord(topic, partition, offset, message.key(), message.value())
            if offset + 1 >= ends[topic, partition]:
                del ends[topic, partition]
