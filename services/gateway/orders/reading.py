"""Reads the last hour of a source when someone asks for it, and at each request what came since.

Most markets are never asked for, so no gateway keeps an hour of everything; and since it is read
from the topics, any replica says the same.
"""

from __future__ import annotations

import logging
import os
import threading
import time

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from models.errors import RecordError, TransportError
from models.kafka_clients import client_configuration
from models.markets import coin_of, exchange_of
from models.partition import partition_of
from models.records.bursts import decode_trades
from models.settings import Settings
from models.topics import SPREADS, exchange_topics, topic_name
from services.gateway.orders.past import (
    LONGEST_HORIZON_S,
    STEP_S,
    WINDOW_S,
    SourcePast,
    SpreadColumns,
)

_LIMIT_S = 20.0
_AT_ONCE = 2_000
_decode = msgspec.json.Decoder(SpreadColumns)


class _Source:
    """The past of one source, and the next offset of each of its topics."""

    def __init__(self, exchange: str) -> None:
        self.past = SourcePast(exchange)
        self.next: dict[str, int] = {}
        self.lock = threading.Lock()


class Pasts:
    """The pasts of the sources that were asked for. Any thread may ask; it may block."""

    def __init__(self, brokers: str, settings: Settings) -> None:
        self._brokers = brokers
        self._settings = settings
        self._sources: dict[tuple[str, int], _Source] = {}

    def of(self, market: str) -> SourcePast:
        """Return the past of a market's source, read up to now.

        Raises:
            TransportError: Kafka does not answer in time.
        """
        exchange = exchange_of(market)
        partition = partition_of(coin_of(market), self._settings.partitions)
        source = self._sources.setdefault((exchange, partition), _Source(exchange))
        with source.lock:
            try:
                self._read(source, exchange, partition)
            except KafkaException as error:
                raise TransportError(f"expected the last hour of {exchange}, {error}") from error
        return source.past

    def _read(self, source: _Source, exchange: str, partition: int) -> None:
        names = [SPREADS.name, exchange_topics(exchange)[1].name]
        full = {topic_name(name, self._settings.namespace): name for name in names}
        consumer = Consumer(
            {
                **client_configuration(self._settings, self._brokers),
                "group.id": f"gateway-orders-{os.getpid()}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            },
            logger=logging.getLogger("librdkafka"),
        )
        try:
            consumer.assign(self._starts(consumer, source, list(full), partition))
            self._take(consumer, source, full)
        finally:
            consumer.close()

    def _starts(
        self, consumer: Consumer, source: _Source, names: list[str], partition: int
    ) -> list[TopicPartition]:
        known = [name for name in names if name in source.next]
        if known:
            return [TopicPartition(name, partition, source.next[name]) for name in names]
        if self._settings.source == "none":
            # A replay puts days into a minute: when something was produced says nothing.
            return [TopicPartition(name, partition, OFFSET_BEGINNING) for name in names]
        since = int((time.time() - WINDOW_S - LONGEST_HORIZON_S - STEP_S) * 1000)
        asked = [TopicPartition(name, partition, since) for name in names]
        return list(consumer.offsets_for_times(asked, timeout=_LIMIT_S))

    def _take(self, consumer: Consumer, source: _Source, full: dict[str, str]) -> None:
        deadline = time.monotonic() + _LIMIT_S
        left = set(full)
        while left:
            if time.monotonic() > deadline:
                raise TransportError(f"expected the last hour within {_LIMIT_S:g} s, was longer")
            for message in consumer.consume(_AT_ONCE, 0.05):
                name, offset, value = message.topic(), message.offset(), message.value()
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF and name is not None:
                        left.discard(name)
                        source.next.setdefault(name, offset or 0)
                    continue
                if name is None or offset is None or value is None:
                    continue
                source.next[name] = offset + 1
                try:
                    if full[name] != SPREADS.name:
                        source.past.take_trades(decode_trades(value))
                    elif _is_end_of_step(message.key()):
                        source.past.take_spreads(_decode.decode(value))
                except (RecordError, msgspec.DecodeError):
                    continue  # the gateway's reader of these topics counts and tells it


def _is_end_of_step(key: bytes | None) -> bool:
    """Return whether a record's key, `exchange|partition|as_of`, names the end of a step."""
    return key is not None and int(key.rpartition(b"|")[2]) % STEP_S == 0
