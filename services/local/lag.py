"""How far the consumer groups of a namespace are behind the ends of their topics."""

from __future__ import annotations

from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from models.errors import TransportError
from models.kafka_clients import client_configuration
from models.settings import Settings
from models.topics import declared_topics, topic_name

_LIMIT_S = 30.0


class PartitionLag(msgspec.Struct, frozen=True):
    """One group in one partition: committed offset (None for none yet), end offset."""

    group: str
    topic: str
    partition: int
    committed: int | None
    end: int

    @property
    def lag(self) -> int:
        """Return how many records are still to come; all of them before the first commit."""
        return self.end - (self.committed or 0)


def group_lags(brokers: str, settings: Settings) -> list[PartitionLag]:
    """Return the lag of every group of the namespace in every topic that it reads.

    A group reads a topic when it has committed an offset in any of its partitions. What a group
    reads anew at every assignment is left out: no offset says how far it is there.

    Raises:
        TransportError: Kafka did not answer within the limit.
    """
    configuration = client_configuration(settings, brokers)
    client = AdminClient(configuration)
    try:
        ends = _end_offsets(client, settings)
        listing = client.list_consumer_groups(request_timeout=_LIMIT_S).result()
        names = sorted(group.group_id for group in listing.valid)
        own = [name for name in names if _belongs(name, settings.namespace)]
        anew = _read_anew(settings)
        lags = [lag for group in own for lag in _lags_of(configuration, group, ends)]
        return [lag for lag in lags if (lag.group, lag.topic) not in anew]
    except KafkaException as error:
        raise TransportError(
            f"expected Kafka at {brokers} to tell offsets, but: {error}"
        ) from error


def _belongs(group: str, namespace: str) -> bool:
    """Return whether a group is of this namespace; the empty one has groups without a dot."""
    head, dot, _ = group.rpartition(".")
    return head == namespace if dot else not namespace


def _read_anew(settings: Settings) -> set[tuple[str, str]]:
    """Return groups with the topics whose offsets they do not commit as they go."""
    return {
        (topic_name(group, settings.namespace), topic_name(topic.name, settings.namespace))
        for topic in declared_topics(list(settings.exchanges))
        for group in topic.read_anew_by
    }


def _end_offsets(client: AdminClient, settings: Settings) -> dict[tuple[str, int], int]:
    names = {
        topic_name(topic.name, settings.namespace)
        for topic in declared_topics(list(settings.exchanges))
    }
    there = client.list_topics(timeout=_LIMIT_S).topics
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    wanted = {
        TopicPartition(name, partition): latest
        for name in sorted(names & there.keys())
        for partition in sorted(there[name].partitions)
    }
    if not wanted:
        return {}
    futures = client.list_offsets(wanted, request_timeout=_LIMIT_S)
    return {
        (place.topic, place.partition): future.result().offset for place, future in futures.items()
    }


def _lags_of(
    configuration: dict[str, Any], group: str, ends: dict[tuple[str, int], int]
) -> list[PartitionLag]:
    # Not AdminClient.list_consumer_group_offsets: it crashes on a brand-new group in 2.16.1.
    consumer = Consumer({**configuration, "group.id": group})
    try:
        places = [TopicPartition(topic, partition) for topic, partition in ends]
        committed = {
            (place.topic, place.partition): place.offset
            for place in consumer.committed(places, timeout=_LIMIT_S)
        }
    finally:
        consumer.close()
    read = {topic for (topic, _), offset in committed.items() if offset >= 0}
    return [
        PartitionLag(
            group, topic, partition, offset if offset >= 0 else None, ends[topic, partition]
        )
        for (topic, partition), offset in committed.items()
        if topic in read
    ]
