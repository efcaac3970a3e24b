"""The Kafka of the tests where the pods of a real node reach it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.settings import Settings
from services.local.kafka.broker import KafkaBroker, answers_metadata
from services.local.ports import LOOPBACK, choose_port
from tests.cluster.control_plane import ControlPlane


class KafkaOnNode(KafkaBroker):
    """A broker that clients reach at another address than loopback's."""

    def __init__(self, settings: Settings, host: str, port: int, controller_port: int) -> None:
        super().__init__(settings, port, controller_port)
        self._host = host

    @property
    def address(self) -> str:
        """The bootstrap address."""
        return f"{self._host}:{self._port}"

    def prepare(self) -> None:
        """As of the local stack, but for the listener of clients."""
        super().prepare()
        own = f"PLAINTEXT://{LOOPBACK}:"
        text = self._properties.read_text()
        assert own in text
        self._properties.write_text(text.replace(own, f"PLAINTEXT://{self._host}:"))

    def is_ready(self) -> bool:
        """Return whether the broker answers for metadata and counts itself in."""
        return answers_metadata(self.address)


@contextmanager
def kafka_on(
    cluster: ControlPlane, host: str, data_dir: Path, jars_dir: Path
) -> Iterator[Settings]:
    """Run a Kafka on an address of this machine and give the settings that lead to it."""
    settings = Settings(data_dir=data_dir, jars_dir=jars_dir)
    port = choose_port("Kafka", 0, None, ())
    broker = KafkaOnNode(settings, host, port, choose_port("its controller", 0, None, (port,)))
    broker.prepare()
    program, *words = broker.plan().argv
    cluster.start("kafka", *words, program=program)
    try:
        cluster.until(broker.is_ready, "Kafka to be ready")
        yield settings.model_copy(update={"kafka_brokers": broker.address})
    finally:
        cluster.end("kafka")
