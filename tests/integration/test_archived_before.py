"""Kafka knows whether there has been an archive, whatever became of it."""

from __future__ import annotations

from confluent_kafka import Producer

from agents.archive.archived_before import ArchivedBefore
from models.settings import Settings
from models.topics import ARCHIVE_CHANGELOG, topic_name
from tests.integration.conftest import CreateTopics


def test_an_archive_has_been_once_its_worker_has_told_of_an_hour(
    namespaced: Settings, create_topics_for: CreateTopics
) -> None:
    """Not without the topic, nor with an empty one; a no is asked anew, a yes stays."""
    now = 0.0
    before = ArchivedBefore(namespaced.kafka_brokers, namespaced, lambda: now)
    assert not before()
    create_topics_for(namespaced, [ARCHIVE_CHANGELOG])
    now = 20.0
    assert not before()
    producer = Producer({"bootstrap.servers": namespaced.kafka_brokers})
    name = topic_name(ARCHIVE_CHANGELOG.name, namespaced.namespace)
    producer.produce(name, b"value", b"key", partition=1)
    assert producer.flush(30) == 0
    assert not before()
    now = 40.0
    assert before()
    now = 60.0
    assert before()
