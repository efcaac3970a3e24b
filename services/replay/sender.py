"""A producer that says when everything it was given is in Kafka."""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from models.errors import TransportError
from models.kafka_clients import client_configuration
from models.settings import Settings
from models.topics import topic_name

_FLUSH_SECONDS = 120.0


class Sender:
    """Sends records into one namespace; partitions are always given."""

    def __init__(self, brokers: str, settings: Settings) -> None:
        """Connect when the first record is sent."""
        self._namespace = settings.namespace
        self._producer = Producer(
            {
                **client_configuration(settings, brokers),
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                "message.timeout.ms": int(_FLUSH_SECONDS * 1000),
            }
        )
        self._failure: KafkaError | None = None

    def __enter__(self) -> Sender:
        """Return the sender; leaving it waits for everything sent."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait until all is in Kafka, unless there is an error already.

        Raises:
            TransportError: a record did not get there.
        """
        if kind is None:
            self.flush()

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Hand over one record; waits while the producer's queue is full.

        Raises:
            TransportError: an earlier record did not get there.
        """
        name = topic_name(topic, self._namespace)
        while True:
            try:
                self._producer.produce(
                    name, value, key, partition=partition, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.1)
                continue
            except KafkaException as error:
                raise TransportError(f"expected {name} to take a record, but {error}") from error
            break
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until everything sent is acknowledged.

        Raises:
            TransportError: a record did not get there in time.
        """
        left = self._producer.flush(_FLUSH_SECONDS)
        self._check()
        if left:
            raise TransportError(f"expected all records acknowledged, was {left} without an answer")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _check(self) -> None:
        if self._failure is not None:
            raise TransportError(f"expected Kafka to acknowledge every record, was {self._failure}")
