"""Topics are read as they stand, without a consumer group."""

from __future__ import annotations

import pytest

from agents.runtime.topic_reader import read_topics
from models.errors import TransportError
from models.settings import Settings
from models.topics import COINS, MARKETS, topic_name
from tests.integration.conftest import CreateTopics
from tests.integration.feed import Feed


def test_everything_is_read_or_the_newest_records_of_each_partition(
    namespaced: Settings, create_topics_for: CreateTopics
) -> None:
    create_topics_for(namespaced, [COINS, MARKETS])
    feed = Feed(namespaced, records=[])
    for number in range(30):
        feed.produce(COINS.name, number % 2, str(number).encode(), None if number == 4 else b"x")
    feed.flush()
    names = [topic_name(topic.name, namespaced.namespace) for topic in (COINS, MARKETS)]
    brokers = namespaced.kafka_brokers

    found = read_topics(brokers, namespaced, names)
    assert {(each.partition, each.offset): each.key for each in found} == {
        (number % 2, number // 2): str(number).encode() for number in range(30)
    }
    assert [each.key for each in found if each.value is None] == [b"4"]
    assert {each.topic for each in found} == {names[0]}

    newest = read_topics(brokers, namespaced, names, partitions=[0], newest=3)
    assert [each.key for each in newest] == [b"24", b"26", b"28"]
    assert read_topics(brokers, namespaced, names[1:]) == []


def test_a_topic_that_is_not_there_is_told(namespaced: Settings) -> None:
    with pytest.raises(TransportError, match="expected"):
        read_topics(namespaced.kafka_brokers, namespaced, [f"{namespaced.namespace}.nothing"])
