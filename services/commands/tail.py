"""`cointide tail TOPIC`: the records of a topic as JSON lines, packed ones unpacked."""

from __future__ import annotations

import argparse
import base64
import os
import sys
from collections.abc import Iterator

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaException,
    Message,
    TopicPartition,
)

from models.errors import RecordError, SettingsError, TransportError
from models.kafka_clients import client_configuration
from models.records.unpacked import unpack
from models.settings import Settings
from models.topics import Codec, declared_topics, topic_name
from services.commands import add_namespace
from services.kafka_access import admitted_brokers

_LIMIT_SECONDS = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("topic", metavar="TOPIC", help="name of the topic, without its namespace")
    parser.add_argument(
        "--from", dest="start", choices=["beginning", "end"], default="end", help="where to begin"
    )
    parser.add_argument(
        "--until",
        choices=["end"],
        help="stop at what is the end now; without it new records follow until Ctrl-C",
    )
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the records; partitions in turn as they come, each in its own order."""
    codecs = {topic.name: topic.codec for topic in declared_topics(list(settings.exchanges))}
    codec = codecs.get(arguments.topic)
    if codec is None:
        raise SettingsError(f"expected one of {', '.join(codecs)}, was {arguments.topic!r}")
    name = topic_name(arguments.topic, settings.namespace)
    consumer = Consumer(
        {
            **client_configuration(settings, admitted_brokers(settings)),
            # librdkafka wants a name; with `assign` and no commits there is no such group.
            "group.id": f"tail-{os.getpid()}",
            "enable.auto.commit": False,
        }
    )
    try:
        for message in _messages(consumer, name, arguments):
            for line in _lines(message, codec):
                sys.stdout.buffer.write(line + b"\n")
            if arguments.until is None:
                sys.stdout.buffer.flush()
    except KafkaException as error:
        raise TransportError(f"expected to read {name}, but {error}") from error
    finally:
        consumer.close()
        sys.stdout.flush()
    return 0


def _messages(consumer: Consumer, name: str, arguments: argparse.Namespace) -> Iterator[Message]:
    partitions = consumer.list_topics(name, timeout=_LIMIT_SECONDS).topics[name].partitions
    ends = {
        partition: consumer.get_watermark_offsets(
            TopicPartition(name, partition), timeout=_LIMIT_SECONDS
        )
        for partition in partitions
    }
    start = OFFSET_BEGINNING if arguments.start == "beginning" else OFFSET_END
    left = {partition for partition, (low, high) in ends.items() if low < high}
    if arguments.until is not None and (start == OFFSET_END or not left):
        return
    consumer.assign([TopicPartition(name, partition, start) for partition in partitions])
    while arguments.until is None or left:
        for message in consumer.consume(500, 0.2):
            partition, offset = message.partition(), message.offset()
            if message.error() is not None or partition is None or offset is None:
                continue
            if arguments.until is not None:
                if partition not in left:
                    continue
                if offset + 1 >= ends[partition][1]:
                    left.discard(partition)
            yield message


def _lines(message: Message, codec: Codec) -> Iterator[bytes]:
    value, key = message.value(), message.key()
    head = {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": None if key is None else key.decode("utf-8", "replace"),
    }
    if value is None:
        yield msgspec.json.encode(head | {"value": None})
        return
    try:
        for unpacked in unpack(codec, value):
            yield msgspec.json.encode(head | {"value": unpacked})
    except (RecordError, msgspec.DecodeError) as error:
        raw = base64.b64encode(value).decode("ascii")
        yield msgspec.json.encode(head | {"value": None, "error": str(error), "raw": raw})
