"""A real Kafka and a real Cassandra: one for the whole run, a namespace for each test."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from agents.archive.cassandra.schema import apply_schema, migrations
from agents.archive.cassandra.session import open_session
from models.settings import Settings
from models.topics import Topic
from services.local.processes import SupervisedProcess
from services.local.supervisor import Supervisor
from services.local.topics import TopicReport, create_topics
from tests.integration.cassandra_node import CassandraForTests

_ROOT = Path(__file__).resolve().parent.parent.parent
_numbers = itertools.count(1)


class Stack:
    """The Kafka of this test run, and the ways to disturb it.

    `settings` point to its data folder and its broker, with the empty namespace; a test takes
    `namespaced` instead. Kafka is not started again by itself here: a test that stops or kills
    it starts it again.
    """

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self.settings = settings
        self.brokers = supervisor.brokers
        self._supervisor = supervisor

    @property
    def kafka(self) -> SupervisedProcess:
        """The broker's process, for its pid and its log."""
        return self._supervisor.processes["kafka"]

    def stop_kafka(self) -> None:
        """Stop the broker in order (SIGTERM) and wait until it is gone."""
        self.kafka.stop()

    def kill_kafka(self) -> None:
        """Kill the broker (SIGKILL) and wait until it is gone."""
        self.kafka.kill()

    def start_kafka(self) -> None:
        """Start the broker again if it is down, and wait until it answers."""
        if self.kafka.phase == "down":
            self.kafka.start()
        deadline = time.monotonic() + self.settings.start_timeout_s
        while self.kafka.phase != "ready":
            assert time.monotonic() < deadline, f"Kafka is not ready:\n{self.kafka.log_tail()}"
            self.kafka.step()
            time.sleep(0.1)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Stack]:
    """Start a real Kafka without workers, once; it is stopped at the end, come what may."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("stack"), jars_dir=jars_dir)
    with Supervisor(settings) as supervisor:
        supervisor.wait_until_ready()
        found = settings.model_copy(update={"kafka_brokers": supervisor.brokers})
        yield Stack(found, supervisor)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """Return a namespace that no other test of this run uses."""
    test = "".join(character if character.isalnum() else "-" for character in request.node.name)
    return f"t{next(_numbers)}-{test[:40].strip('-')}"


@pytest.fixture
def namespaced(stack: Stack, namespace: str, tmp_path: Path) -> Settings:
    """Return settings for a test of its own: the stack's Kafka, a fresh namespace and folder."""
    return stack.settings.model_copy(update={"namespace": namespace, "data_dir": tmp_path / "data"})


CreateTopics = Callable[..., list[TopicReport]]


@pytest.fixture
def create_topics_for(stack: Stack) -> CreateTopics:
    """Return a function that creates the topics of given settings: declared ones, or those given.

    `create_topics_for(settings)` or `create_topics_for(settings, [SPREADS])`.
    """

    def create(settings: Settings, topics: Sequence[Topic] | None = None) -> list[TopicReport]:
        return create_topics(stack.brokers, settings, topics)

    return create


@pytest.fixture(scope="session")
def cassandra(
    tmp_path_factory: pytest.TempPathFactory, jars_dir: Path
) -> Iterator[CassandraForTests]:
    """Start a real Cassandra, once; `cassandra_node.py` says how to use it."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("cassandra"), jars_dir=jars_dir)
    with CassandraForTests(settings) as cassandra:
        yield cassandra


@pytest.fixture
def cassandra_settings(cassandra: CassandraForTests, namespace: str, tmp_path: Path) -> Settings:
    """Return settings for a test of its own: the node of this run, a fresh keyspace and folder.

    They have no Kafka; with one: `namespaced.model_copy(update=cassandra.contact)`.
    """
    return cassandra.settings.model_copy(
        update={"namespace": namespace, "data_dir": tmp_path / "data"}
    )


@pytest.fixture
def archive_keyspace(cassandra_settings: Settings) -> Settings:
    """Return the same after `cointide archive schema`: the tables are there and empty."""
    with open_session(cassandra_settings, keyspace="") as session:
        apply_schema(session, cassandra_settings, migrations())
    return cassandra_settings
