"""The one Kafka node of the local stack: its files, its storage, its command line, readiness."""

from __future__ import annotations

import base64
import logging
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from models.errors import StackError
from models.settings import Settings
from services.local.java import java_command
from services.local.ports import LOOPBACK, is_listening
from services.local.processes import ProcessPlan

_FORMAT_LIMIT_S = 120.0
_METADATA_LIMIT_S = 2.0
_STOP_LIMIT_S = 30.0
_LOGGING = Path(__file__).with_name("log4j2.xml")


class KafkaBroker:
    """The broker on two ports of the loopback interface, with its data below one folder."""

    def __init__(self, settings: Settings, port: int, controller_port: int) -> None:
        self._jars_dir = settings.jars_dir / "kafka"
        self._heap_mb = settings.kafka_heap_mb
        self._folder = settings.data_dir.absolute() / "kafka"
        self._port = port
        self._controller_port = controller_port

    @property
    def address(self) -> str:
        """The bootstrap address."""
        return f"{LOOPBACK}:{self._port}"

    def prepare(self) -> None:
        """Write the properties; format the storage, with a new cluster id, if it never was.

        Raises:
            StackError: Java or the jars are missing, or the storage cannot be formatted.
        """
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        properties = server_properties(self._port, self._controller_port, data)
        self._properties.write_text(properties, encoding="utf-8")
        if (data / "meta.properties").exists():
            return
        # It runs for a second: the first tier of the compiler is enough.
        tool = [
            *self._java("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
            "kafka.tools.StorageTool",
        ]
        tool += ["format", "--standalone", "--ignore-formatted", "-t", new_cluster_id()]
        tool += ["-c", str(self._properties)]
        try:
            done = subprocess.run(
                tool, capture_output=True, text=True, timeout=_FORMAT_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(
                f"expected Kafka's storage to be formatted within {_FORMAT_LIMIT_S:.0f} s"
            ) from error
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
            raise StackError(
                f"expected Kafka's storage in {data} to be formatted, "
                f"but its tool ended with status {done.returncode}:\n{tail}"
            )

    def plan(self) -> ProcessPlan:
        """Return how the broker is run.

        Raises:
            StackError: Java or the jars are missing.
        """
        java = self._java(f"-Xmx{self._heap_mb}m", "-Xms128m", "-XX:+UseG1GC")
        return ProcessPlan(
            name="kafka",
            argv=[*java, "kafka.Kafka", str(self._properties)],
            ready=self.is_ready,
            stop_limit_s=_STOP_LIMIT_S,
        )

    def is_ready(self) -> bool:
        """Return whether the broker answers for metadata and counts itself in."""
        return is_listening(self._port) and answers_metadata(self.address)

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _java(self, *options: str) -> list[str]:
        logging_file = f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}"
        return java_command(self._jars_dir, "Kafka", *options, logging_file)


def server_properties(port: int, controller_port: int, data: Path) -> str:
    """Return the properties of a node that is broker and controller at once.

    Replication is one everywhere, as there is one node; topics are declared, never created on
    the side; a group that forms does not wait for members that may follow.
    """
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "log.dirs": str(data),
        "offsets.topic.num.partitions": "8",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def new_cluster_id() -> str:
    """Return a random id in the form Kafka wants: 16 bytes as URL-safe base64, unpadded."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A leading dash would read as an option of Kafka's tools.
        if not text.startswith("-"):
            return text


def answers_metadata(brokers: str) -> bool:
    """Return whether Kafka at this address names at least one broker."""
    # A broker that is still starting is no news: librdkafka's own messages are dropped.
    silent = logging.getLogger("cointide.kafka.probe")
    silent.setLevel(logging.CRITICAL + 1)
    # This node takes everyone, whatever the settings say of another Kafka.
    client = AdminClient({"bootstrap.servers": brokers}, logger=silent)
    try:
        return bool(client.list_topics(timeout=_METADATA_LIMIT_S).brokers)
    except KafkaException:
        return False
