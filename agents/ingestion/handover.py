"""What a new owner finds in the last bursts of its partitions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, KafkaException, TopicPartition

from agents.ingestion.exchanges.events import Kind
from agents.ingestion.source_state import KINDS, Found
from models.errors import RecordError, TransportError
from models.records.bursts import QuoteBurst, TradeBurst, decode_quotes, decode_trades
from models.topics import topic_name

_LIMIT_SECONDS = 30.0
# A former owner that was taken for dead may still have written after its successor.
_RECORDS_BACK = 16
_STEP_SECONDS = 0.05

_DECODERS: dict[Kind, Callable[[bytes | None], QuoteBurst | TradeBurst]] = {
    "quotes": decode_quotes,
    "trades": decode_trades,
}


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
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        return _read_last(consumer, namespace, exchange, partitions)
    except KafkaException as error:
        raise TransportError(f"expected the last bursts of {exchange}, but {error}") from error
    finally:
        consumer.close()


def _read_last(
    consumer: Consumer, namespace: str, exchange: str, partitions: Iterable[int]
) -> dict[int, Found]:
    kinds = {topic_name(f"{exchange}_{kind}", namespace): kind for kind in KINDS}
    starts: list[TopicPartition] = []
    ends: dict[tuple[str, int], int] = {}
    for topic in kinds:
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_LIMIT_SECONDS
            )
            if high > low:
                starts.append(TopicPartition(topic, partition, max(low, high - _RECORDS_BACK)))
                ends[topic, partition] = high
    found: dict[tuple[str, int], tuple[int, int]] = {}
    if starts:
        consumer.assign(starts)
    deadline = time.monotonic() + _LIMIT_SECONDS
    while ends:
        messages = consumer.consume(_RECORDS_BACK, _STEP_SECONDS)
        if not messages and time.monotonic() > deadline:
            raise TransportError(f"expected the ends of {', '.join(kinds)}, was no answer")
        for message in messages:
            place = (str(message.topic()), int(message.partition() or 0))
            offset = message.offset()
            if message.error() is not None or offset is None:
                continue
            if offset + 1 >= ends.get(place, 0):
                ends.pop(place, None)
            try:
                burst = _DECODERS[kinds[place[0]]](message.value())
            except RecordError:
                continue
            found[place] = max(found.get(place, (0, 0)), (burst.epoch, burst.clock))
    return _by_partition(found, kinds)


def _by_partition(
    found: Mapping[tuple[str, int], tuple[int, int]], kinds: Mapping[str, Kind]
) -> dict[int, Found]:
    result: dict[int, Found] = {}
    for (topic, partition), (epoch, clock) in found.items():
        kept = result.get(partition)
        clocks = {**(kept.clocks if kept else {}), kinds[topic]: clock}
        result[partition] = Found(max(epoch, kept.epoch if kept else 0), clocks)
    return result
