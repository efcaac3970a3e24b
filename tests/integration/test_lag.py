"""What `cointide lag` takes for being behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from models.settings import Settings
from models.topics import topic_name
from services.local.lag import group_lags
from tests.integration.waiting import until


def commit(settings: Settings, group: str, topic: str, offset: int) -> None:
    """Commit an offset of the topic's first partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_brokers,
            "group.id": topic_name(group, settings.namespace),
            "enable.auto.commit": False,
        }
    )
    place = TopicPartition(topic_name(topic, settings.namespace), 0, offset)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()


def test_a_group_is_not_behind_on_what_it_reads_anew_at_every_assignment(
    namespaced: Settings, create_topics_for: Callable[[Settings], Any]
) -> None:
    """Ingestion commits where `markets` begins and never more; on other topics it would lag."""
    create_topics_for(namespaced)
    failures: list[KafkaError] = []
    producer = Producer({"bootstrap.servers": namespaced.kafka_brokers})
    for topic in ("markets", "feeds"):
        for _ in range(3):
            name = topic_name(topic, namespaced.namespace)
            producer.produce(
                name,
                b"{}",
                b"key",
                partition=0,
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
    assert producer.flush(60) == 0
    assert not failures
    commit(namespaced, "ingestion", "markets", 0)
    commit(namespaced, "ingestion", "feeds", 1)
    commit(namespaced, "spread", "markets", 1)
    name = namespaced.namespace
    expected = {
        (f"{name}.ingestion", f"{name}.feeds"): 2,
        (f"{name}.spread", f"{name}.markets"): 2,
    }

    def lags() -> dict[tuple[str, str], int]:
        return {
            (lag.group, lag.topic): lag.lag
            for lag in group_lags(namespaced.kafka_brokers, namespaced)
            if lag.partition == 0
        }

    # A new topic and a new group are not in every answer at once.
    until(lambda: lags() == expected, f"{expected}", lambda: f"{lags()}")
