"""One thread that reads topics into memory: from their start positions to the end, then live."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from models.errors import RecordError, TransportError
from models.kafka_clients import client_configuration
from models.settings import Settings
from services.gateway.kafka.positions import At, Span, starting_spans
from services.gateway.kafka.topics import ReadTopic
from services.gateway.records import Place, Record, decode

_AT_ONCE = 500
_WAIT_S = 0.1
_RETRY_S = 0.5


class Taken(msgspec.Struct, frozen=True):
    """What was read together. `finished` are the topics that have now been read to their end once.

    `undecodable` counts, by topic, what could not be read.
    """

    records: list[Record]
    finished: list[str]
    undecodable: Counter[str]


class Reader:
    """Reads until it is stopped; hands over what it read and waits until that is taken.

    `hand_over` is called in the reader's thread; it blocks. `failed` is called there too, with
    what ended the thread before it was stopped.
    """

    def __init__(
        self,
        brokers: str,
        settings: Settings,
        topics: list[ReadTopic],
        hand_over: Callable[[Taken], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._configuration = client_configuration(settings, brokers)
        self._topics = {topic.full_name: topic for topic in topics}
        self._hand_over = hand_over
        self._failed = failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._next: dict[At, int] = {}
        self._ends: dict[At, int] = {}
        self._newest: dict[At, int] = {}
        self._left: dict[str, set[int]] = {}
        self._log = structlog.get_logger(part="reader")
        self._told: set[str] = set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stop.set()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _run(self) -> None:
        consumer = Consumer(
            {
                **self._configuration,
                # librdkafka wants a name; with `assign` and no commits there is no such group.
                "group.id": f"gateway-{os.getpid()}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 65_536,
            },
            logger=logging.getLogger("librdkafka"),
        )
        try:
            spans = self._spans(consumer)
            if spans is not None:
                self._begin(consumer, spans)
            while not self._stop.is_set():
                self._step(consumer)
        except Exception as error:  # noqa: BLE001 - a gateway that reads nothing must not stay
            self._failed(error)
        finally:
            consumer.close()

    def _spans(self, consumer: Consumer) -> dict[At, Span] | None:
        """Wait for Kafka and the topics; return None when stopped."""
        while not self._stop.is_set():
            try:
                return starting_spans(consumer, self._topics.values())
            except TransportError as error:
                self._log.info("waiting", detail=str(error))
                self._stop.wait(_RETRY_S)
        return None

    def _begin(self, consumer: Consumer, spans: dict[At, Span]) -> None:
        self._left = {name: set() for name in self._topics}
        for (name, partition), span in spans.items():
            self._next[name, partition] = span.start
            if span.start < span.end:
                self._left[name].add(partition)
        self._ends = {at: span.end for at, span in spans.items()}
        self._newest = {at: span.newest_timestamp for at, span in spans.items()}
        consumer.assign([TopicPartition(*at, span.start) for at, span in spans.items()])
        empty = [self._topics[name].name for name, left in self._left.items() if not left]
        self._hand_over(Taken([], empty, Counter()))

    def _step(self, consumer: Consumer) -> None:
        # `consume` waits for as many as it is asked for: wait for one, then take what is there.
        first = consumer.poll(_WAIT_S)
        if first is None:
            return
        messages = [first, *consumer.consume(_AT_ONCE, 0)]
        records: list[Record] = []
        undecodable: Counter[str] = Counter()
        finished: list[str] = []
        for message in messages:
            name, partition, offset = message.topic(), message.partition(), message.offset()
            if name is None or partition is None or offset is None:
                continue
            at = name, partition
            error = message.error()
            if error is None:
                if offset < self._next[at]:
                    continue  # read again after an outage
                self._next[at] = offset + 1
                if not self._is_too_old(at, message):
                    record = self._decoded(self._topics[name], message, partition, offset)
                    if record is None:
                        undecodable[self._topics[name].name] += 1
                    else:
                        records.append(record)
            elif error.code() != KafkaError._PARTITION_EOF:
                self._log.warning("kafka", topic=name, detail=str(error))
                continue
            position = offset + 1 if error is None else offset
            left = self._left[name]
            if partition in left and position >= self._ends[at]:
                left.discard(partition)
                if not left:
                    finished.append(self._topics[name].name)
        if records or undecodable or finished:
            self._hand_over(Taken(records, finished, undecodable))

    def _is_too_old(self, at: At, message: Message) -> bool:
        age_ms = self._newest.get(at, 0) - message.timestamp()[1]
        return self._topics[at[0]].is_too_old(message.key(), age_ms)

    def _decoded(
        self, topic: ReadTopic, message: Message, partition: int, offset: int
    ) -> Record | None:
        place = Place(topic.name, partition, offset, message.timestamp()[1])
        try:
            return decode(topic.codec, place, message.key(), message.value())
        except RecordError as error:
            if topic.name not in self._told:
                # The first of a topic is told, all are counted.
                self._told.add(topic.name)
                self._log.warning(
                    error.reason,
                    topic=topic.name,
                    partition=partition,
                    offset=offset,
                    detail=error.detail,
                )
            return None
