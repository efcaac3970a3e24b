"""What a new owner finds in the last bursts of its partitions."""

from __future__ import annotations

import os
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from agents.ingestion.exchanges.events import Kind
from agents.ingestion.source_state import KINDS, Found
from models.errors import RecordError, TransportError
from models.records.bursts import decode_quotes, decode_trades
from models.topics import topic_name

_LIMIT_SECONDS = 30.0
# A former owner that was taken for dead may still have written after its successor.
_RECORDS_BACK = 16


def find_last_bursts(
    brokers: str, namespace: str, exchange: str, partitions: Iterable[int]
) -> dict[int, Found]:
    """Return by partition the highest epoch and clock of its last bursts, in both topics.

    A partition without a burst is left out.

    Raises:
        TransportError: Kafka does not answer, or a topic is not there.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            # librdkafka wants a name; with `assign` and no commits there is no such group.
            "group.id": f"handover-{os.getpid()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found: dict[int, Found] = {}
    try:
        for kind in KINDS:
            topic = topic_name(f"{exchange}_{kind}", namespace)
            for partition in partitions:
                last = _last(consumer, topic, partition, kind)
                if last is not None:
                    kept = found.get(partition, last)
                    found[partition] = Found(
                        max(kept.epoch, last.epoch), {**kept.clocks, **last.clocks}
                    )
    except KafkaException as error:
        raise TransportError(f"expected the last bursts of {exchange}, but {error}") from error
    finally:
        consumer.close()
    return found


def _last(consumer: Consumer, topic: str, partition: int, kind: Kind) -> Found | None:
    low, high = consumer.get_watermark_offsets(
        TopicPartition(topic, partition), timeout=_LIMIT_SECONDS
    )
    if high <= low:
        return None
    consumer.assign([TopicPartition(topic, partition, max(low, high - _RECORDS_BACK))])
    found: Found | None = None
    decode = decode_quotes if kind == "quotes" else decode_trades
    while True:
        message = consumer.poll(_LIMIT_SECONDS)
        if message is None:
            raise TransportError(f"expected the end of {topic}/{partition}, was no answer")
        if message.error() is not None:
            return found
        try:
            burst = decode(message.value())
        except RecordError:
            continue
        if found is None or (burst.epoch, burst.clock) > (found.epoch, found.clock):
            found = Found(burst.epoch, {kind: burst.clock})
