"""Where reading starts, and where the end was at that time."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from models.errors import TransportError
from services.gateway.kafka.topics import ReadTopic

_LIMIT_S = 30.0
_NEWEST_LIMIT_S = 10.0

At = tuple[str, int]
"""A partition: the topic's full name and its number."""


class Span(msgspec.Struct, frozen=True):
    """What is read of a partition at the start: `[start, end)`.

    `newest_timestamp` is when the last record was produced (ms), where that was looked up.
    """

    start: int
    end: int
    newest_timestamp: int = 0


def starting_spans(consumer: Consumer, topics: Iterable[ReadTopic]) -> dict[At, Span]:
    """Return what is to be read of every partition before the gateway is ready.

    Raises:
        TransportError: Kafka does not answer, or a topic is not there.
    """
    try:
        spans: dict[At, Span] = {}
        limited: dict[At, ReadTopic] = {}
        for topic in topics:
            for partition in _partitions(consumer, topic.full_name):
                at = topic.full_name, partition
                low, high = consumer.get_watermark_offsets(TopicPartition(*at), timeout=_LIMIT_S)
                spans[at] = Span(low, high)
                if topic.look_back_s is not None and low < high:
                    limited[at] = topic
        return spans | _look_back(consumer, limited, spans)
    except KafkaException as error:
        raise TransportError(f"expected Kafka to say what there is to read, but {error}") from error


def _partitions(consumer: Consumer, name: str) -> list[int]:
    found = consumer.list_topics(name, timeout=_LIMIT_S).topics.get(name)
    if found is None or found.error is not None or not found.partitions:
        raise TransportError(f"expected topic {name} to be there, it is not")
    return sorted(found.partitions)


def _look_back(
    consumer: Consumer, limited: dict[At, ReadTopic], spans: dict[At, Span]
) -> dict[At, Span]:
    """Return the spans that begin a time before the newest record, whenever that was."""
    newest = _newest_timestamps(consumer, {at: spans[at] for at in limited})
    asked = [
        TopicPartition(*at, timestamp - (limited[at].look_back_s or 0) * 1000)
        for at, timestamp in newest.items()
    ]
    starts = consumer.offsets_for_times(asked, timeout=_LIMIT_S) if asked else []
    found: dict[At, Span] = {}
    for each in starts:
        at = each.topic, each.partition
        low, high = spans[at].start, spans[at].end
        start = each.offset if each.offset >= 0 else high
        start = max(start, low, high - limited[at].look_back_records)
        found[at] = Span(start, high, newest[at])
    return found


def _newest_timestamps(consumer: Consumer, spans: dict[At, Span]) -> dict[At, int]:
    """Return when the last record of each partition was produced (ms), where it can be read."""
    if not spans:
        return {}
    consumer.assign([TopicPartition(*at, span.end - 1) for at, span in spans.items()])
    newest: dict[At, int] = {}
    deadline = time.monotonic() + _NEWEST_LIMIT_S
    while len(newest) < len(spans) and time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is None or message.error() is not None:
            continue
        topic, partition = message.topic(), message.partition()
        if topic is not None and partition is not None:
            newest.setdefault((topic, partition), message.timestamp()[1])
    consumer.unassign()
    return newest
