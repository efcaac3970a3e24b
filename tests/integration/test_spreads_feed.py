"""The spreads as `cointide watch` reads them."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Producer

from models.records.spreads import Spreads, encode_spreads
from models.settings import Settings
from models.topics import SPREADS, topic_name
from services.local.topics import TopicReport
from services.watch.feed import SpreadsFeed
from tests.unit.test_watch import spreads

_LIMIT_S = 30.0


def test_the_feed_has_all_from_the_beginning_and_knows_the_end(
    namespaced: Settings, create_topics_for: Callable[..., list[TopicReport]]
) -> None:
    """Records of every partition come; what is no spreads is counted and passed over."""
    create_topics_for(namespaced, [SPREADS])
    name = topic_name(SPREADS.name, namespaced.namespace)
    producer = Producer({"bootstrap.servers": namespaced.kafka_brokers})
    producer.produce(name, value=b"no spreads", partition=0)
    for partition in range(namespaced.partitions):
        producer.produce(name, value=encode_spreads(spreads()), partition=partition)
    assert producer.flush(_LIMIT_S) == 0
    with SpreadsFeed(namespaced.kafka_brokers, namespaced) as feed:
        taken: list[Spreads] = []
        deadline = time.monotonic() + _LIMIT_S
        while not feed.is_at_end():
            assert time.monotonic() < deadline, f"expected the end, got {len(taken)} records"
            taken += feed.take(0.1)
    assert taken == [spreads()] * namespaced.partitions
    assert feed.undecodable == 1
