"""Reading a topic whose partitions have just been created, or are just moving."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from agents.runtime.topic_reader import TopicReader
from models.errors import TransportError
from models.settings import Settings


class Moving:
    """A consumer to which a broker says, some times, that it does not lead the partition."""

    def __init__(self, times: int, code: int) -> None:
        self.left = times
        self.code = code

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        """Answer at last."""
        self.left -= 1
        if self.left >= 0:
            raise KafkaException(KafkaError(self.code))
        return 3, 9


def reader_on(consumer: Moving) -> TopicReader:
    """Return a reader that asks this consumer."""
    reader = TopicReader("127.0.0.1:1", Settings(), limit_s=30.0)
    reader._consumer = consumer  # type: ignore[assignment]
    return reader


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE]
)
def test_a_partition_without_a_leader_yet_is_asked_again(code: int) -> None:
    consumer = Moving(3, code)
    assert reader_on(consumer).bounds("topic", 0) == (3, 9)
    assert consumer.left == -1


def test_another_refusal_is_told_at_once() -> None:
    consumer = Moving(2, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(TransportError, match="ends of topic"):
        reader_on(consumer).bounds("topic", 0)
    assert consumer.left == 1
