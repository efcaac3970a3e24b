"""The topics in Kafka: created as declared, checked when they are there already.

Only this creates topics; no worker does on the side. It may run any number of times.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from models.errors import StackError, TransportError
from models.kafka_clients import client_configuration
from models.settings import Settings
from models.topics import Topic, declared_topics, topic_name

_LIMIT_S = 30.0
_POLL_S = 0.05
_CLEANUP = "cleanup.policy"
_RETENTION = "retention.ms"
# What a broker says of a partition that it is about to lead.
_NOT_YET = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._NOENT,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
)


class TopicReport(msgspec.Struct, frozen=True):
    """One topic as it now is in Kafka, and what this call did for it."""

    topic: Topic
    name: str
    partitions: int
    action: str  # created, altered or unchanged


def create_topics(
    brokers: str, settings: Settings, topics: Sequence[Topic] | None = None
) -> list[TopicReport]:
    """Create what is declared (or `topics`) in the namespace of the settings; return all of it.

    A topic that is there keeps its records; its clean-up and retention are set as declared. It
    returns when every partition has a leader that answers for it.

    Raises:
        StackError: a topic has another number of partitions than is set; nothing was changed.
        TransportError: Kafka refused, or did not answer within the limit.
    """
    wanted = list(topics) if topics is not None else declared_topics(list(settings.exchanges))
    names = [topic_name(topic.name, settings.namespace) for topic in wanted]
    counts = [1 if topic.partitioning == "none" else settings.partitions for topic in wanted]
    client = AdminClient(client_configuration(settings, brokers))
    try:
        there = client.list_topics(timeout=_LIMIT_S).topics
        for name, count in zip(names, counts, strict=True):
            if name in there and len(there[name].partitions) != count:
                raise StackError(
                    f"expected topic {name} to have {count} partitions, "
                    f"it has {len(there[name].partitions)}; "
                    "the number never changes in place: use a new namespace"
                )
        missing = [
            NewTopic(name, count, settings.replication, config=_configuration(topic))
            for topic, name, count in zip(wanted, names, counts, strict=True)
            if name not in there
        ]
        _create(client, missing)
        altered = _alter_drifted(
            client,
            {name: topic for topic, name in zip(wanted, names, strict=True) if name in there},
        )
        expected = dict(zip(names, counts, strict=True))
        _wait_for_leaders(client, expected)
        _wait_for_answers(client, expected)
    except KafkaException as error:
        raise TransportError(
            f"expected Kafka at {brokers} to create topics, but: {error}"
        ) from error
    created = {new.topic for new in missing}
    return [
        TopicReport(
            topic,
            name,
            count,
            "created" if name in created else "altered" if name in altered else "unchanged",
        )
        for topic, name, count in zip(wanted, names, counts, strict=True)
    ]


def _configuration(topic: Topic) -> dict[str, str]:
    configuration: dict[str, str] = {_CLEANUP: topic.cleanup}
    if topic.retention_ms is not None:
        configuration[_RETENTION] = str(topic.retention_ms)
    return configuration


def _create(client: AdminClient, missing: list[NewTopic]) -> None:
    if missing:
        for future in client.create_topics(missing, operation_timeout=_LIMIT_S).values():
            future.result()


def _alter_drifted(client: AdminClient, existing: dict[str, Topic]) -> set[str]:
    """Set clean-up and retention as declared; return the names of the topics that differed.

    It returns when Kafka describes them as declared: a broker says yes to a change before it
    has applied it.
    """
    changes = _drift(client, existing)
    if changes:
        for future in client.incremental_alter_configs(changes).values():
            future.result()
    drifted = {change.name for change in changes}
    altered = {name: topic for name, topic in existing.items() if name in drifted}
    deadline = time.monotonic() + _LIMIT_S
    while left := _drift(client, altered):
        if time.monotonic() > deadline:
            raise TransportError(
                f"expected topics to be configured as declared within {_LIMIT_S:.0f} s, "
                f"not so {', '.join(change.name for change in left)}"
            )
        time.sleep(_POLL_S)
    return drifted


def _drift(client: AdminClient, existing: dict[str, Topic]) -> list[ConfigResource]:
    """Return what to change in the topics whose configuration is not as declared."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in existing]
    if not resources:
        return []
    changes: list[ConfigResource] = []
    for resource, future in client.describe_configs(resources).items():
        found: dict[str, ConfigEntry] = future.result()
        entries = _changes(found, _configuration(existing[resource.name]))
        if entries:
            changes.append(
                ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=entries)
            )
    return changes


def _changes(found: dict[str, ConfigEntry], declared: dict[str, str]) -> list[ConfigEntry]:
    entries = []
    for key in (_CLEANUP, _RETENTION):
        value = declared.get(key)
        if value is None:
            if not found[key].is_default:
                entries.append(
                    ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE)
                )
        elif set(str(found[key].value).split(",")) != set(value.split(",")):
            entries.append(ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET))
    return entries


def _wait_for_leaders(client: AdminClient, counts: dict[str, int]) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while True:
        metadata = client.list_topics(timeout=_LIMIT_S)
        leaderless = [name for name, count in counts.items() if not _is_led(metadata, name, count)]
        if not leaderless:
            return
        if time.monotonic() > deadline:
            raise TransportError(
                f"expected every partition to have a leader within {_LIMIT_S:.0f} s, "
                f"not so in {', '.join(leaderless)}"
            )
        time.sleep(_POLL_S)


def _is_led(metadata: ClusterMetadata, name: str, count: int) -> bool:
    topic = metadata.topics.get(name)
    return (
        topic is not None
        and len(topic.partitions) == count
        and all(partition.leader >= 0 for partition in topic.partitions.values())
    )


def _wait_for_answers(client: AdminClient, counts: dict[str, int]) -> None:
    """Wait until the leaders tell the ends of their partitions.

    One that has just become a leader is so in the metadata a moment before it knows of it.
    """
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    left = {
        TopicPartition(name, partition): latest
        for name, count in counts.items()
        for partition in range(count)
    }
    deadline = time.monotonic() + _LIMIT_S
    while left:
        futures = client.list_offsets(left, request_timeout=_LIMIT_S)
        left = {}
        for place, future in futures.items():
            if (error := future.exception()) is not None:
                if time.monotonic() > deadline or not _is_passing(error):
                    raise error
                left[place] = latest
        if left:
            time.sleep(_POLL_S)


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _NOT_YET
