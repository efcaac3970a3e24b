"""Topics and lags in the real Kafka, and the commands that show them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from models.errors import StackError
from models.settings import Settings, environment_of
from models.topics import DEAD_LETTERS, SPREADS, declared_topics, topic_name
from services.cli import main
from services.local.lag import PartitionLag, group_lags
from services.local.topics import TopicReport
from tests.integration.waiting import until

Create = Callable[..., list[TopicReport]]


def configuration(settings: Settings, name: str) -> dict[str, str]:
    """Return the configuration of a topic."""
    client = AdminClient({"bootstrap.servers": settings.kafka_brokers})
    resource = ConfigResource(ResourceType.TOPIC, topic_name(name, settings.namespace))
    (future,) = client.describe_configs([resource]).values()
    return {key: entry.value for key, entry in future.result().items()}


def test_topics_are_created_as_declared(namespaced: Settings, create_topics_for: Create) -> None:
    """All of them with partitions, clean-up and retention; a second call changes nothing."""
    created = create_topics_for(namespaced)
    declared = declared_topics(list(namespaced.exchanges))
    assert [report.topic for report in created] == declared
    assert {report.action for report in created} == {"created"}
    assert {report.partitions for report in created if report.topic != DEAD_LETTERS} == {4}
    spreads = configuration(namespaced, SPREADS.name)
    assert (spreads["cleanup.policy"], spreads["retention.ms"]) == ("delete", "86400000")
    assert {report.action for report in create_topics_for(namespaced)} == {"unchanged"}


def test_what_has_drifted_is_set_as_declared(
    namespaced: Settings, create_topics_for: Create
) -> None:
    """Retention is altered, and one that is not declared is taken back to the default."""
    create_topics_for(namespaced, [SPREADS, DEAD_LETTERS])
    client = AdminClient({"bootstrap.servers": namespaced.kafka_brokers})
    drift = [
        ConfigResource(
            ResourceType.TOPIC,
            topic_name(topic.name, namespaced.namespace),
            incremental_configs=[
                ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
            ],
        )
        for topic in (SPREADS, DEAD_LETTERS)
    ]
    for future in client.incremental_alter_configs(drift).values():
        future.result()

    # A broker answers before it has applied what it was told.
    def retentions() -> list[str]:
        return [
            configuration(namespaced, topic.name)["retention.ms"]
            for topic in (SPREADS, DEAD_LETTERS)
        ]

    until(lambda: retentions() == ["1000"] * 2, "the drift described", lambda: str(retentions()))
    reports = create_topics_for(namespaced, [SPREADS, DEAD_LETTERS])
    assert [report.action for report in reports] == ["altered", "altered"]
    assert configuration(namespaced, SPREADS.name)["retention.ms"] == "86400000"
    assert configuration(namespaced, DEAD_LETTERS.name)["retention.ms"] == "604800000"


def test_partitions_never_change_in_place(namespaced: Settings, create_topics_for: Create) -> None:
    """Another number is told in one sentence, and nothing is created beside it."""
    create_topics_for(namespaced, [SPREADS])
    other = namespaced.model_copy(update={"partitions": 5})
    with pytest.raises(
        StackError, match=r"expected topic .*spreads to have 5 partitions, it has 4"
    ):
        create_topics_for(other)
    reports = create_topics_for(namespaced)
    assert {r.action for r in reports if r.topic != SPREADS} == {"created"}


def test_lag_is_end_less_committed(namespaced: Settings, create_topics_for: Create) -> None:
    """Of every partition of the topics that a group of the namespace reads."""
    create_topics_for(namespaced, [SPREADS, DEAD_LETTERS])
    name = topic_name(SPREADS.name, namespaced.namespace)
    group = topic_name("reader", namespaced.namespace)
    producer = Producer({"bootstrap.servers": namespaced.kafka_brokers})
    for _ in range(3):
        producer.produce(name, value=b"{}", partition=1)
    producer.flush(30)
    assert group_lags(namespaced.kafka_brokers, namespaced) == []
    consumer = Consumer({"bootstrap.servers": namespaced.kafka_brokers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(name, 1, 2)], asynchronous=False)
    consumer.close()
    expected = [
        PartitionLag(group, name, partition, committed, end)
        for partition, committed, end in ((0, None, 0), (1, 2, 3), (2, None, 0), (3, None, 0))
    ]
    assert sum(lag.lag for lag in expected) == 1

    def lags() -> list[PartitionLag]:
        found = group_lags(namespaced.kafka_brokers, namespaced)
        return sorted(found, key=lambda lag: lag.partition)

    # A new group is not in every answer at once.
    until(lambda: lags() == expected, f"{expected}", lambda: f"{lags()}")


def test_the_commands_print_columns(
    namespaced: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`cointide topics` creates and shows; `cointide lag` shows."""
    for name, value in environment_of(namespaced).items():
        monkeypatch.setenv(name, value)
    assert main(["topics"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == [
        "topic",
        "partitions",
        "clean-up",
        "retention",
        "one",
        "record",
        "is",
    ]
    assert len(shown) == 1 + len(declared_topics(list(namespaced.exchanges)))
    spreads = next(line for line in shown if f"{namespaced.namespace}.spreads " in line)
    assert spreads.split()[1:5] == ["4", "delete", "24", "h"]
    assert main(["lag", "--namespace", "nobody"]) == 0
    assert capsys.readouterr().out.split() == [
        "group",
        "topic",
        "partition",
        "committed",
        "end",
        "lag",
    ]
