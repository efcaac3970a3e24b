"""Waits until `cointide topics` has made every topic. An init container runs this."""

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from models.kafka_clients import client_configuration
from models.settings import Settings
from models.topics import declared_topics, topic_name

_PAUSE_S = 2.0


def missing(settings: Settings, client: AdminClient) -> set[str]:
    """Return the declared topics that are not there."""
    declared = declared_topics(list(settings.exchanges))
    names = {topic_name(topic.name, settings.namespace) for topic in declared}
    return names - set(client.list_topics(timeout=10).topics)


def wait(settings: Settings) -> None:
    """Return when all are there; Kubernetes ends what takes for ever."""
    client = AdminClient(client_configuration(settings, settings.kafka_brokers))
    while True:
        try:
            left = missing(settings, client)
        except KafkaException as error:
            print(f"waiting for Kafka at {settings.kafka_brokers}: {error}", flush=True)
        else:
            if not left:
                return
            print(f"waiting for {len(left)} topics, one is {min(left)}", flush=True)
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    wait(Settings())
