"""What lies in a topic, read to its end."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from models.kafka_clients import client_configuration
from models.settings import Settings
from models.topics import topic_name
from tests.integration.waiting import LIMIT_S

_KAFKA_LIMIT_S = 30.0


@dataclass(frozen=True)
class Record:
    """A record as it lies in a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


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
