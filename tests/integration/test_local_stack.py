"""The local stack as a process of its own: it starts, survives deaths, stops, leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from models.errors import StackError
from models.settings import Settings, environment_of
from models.topics import SPREADS
from services.cli import main
from services.local.ports import LOOPBACK, choose_port
from services.local.state import StackState, read_state, start_time_of
from services.local.supervisor import Supervisor
from services.local.workers import Worker

if TYPE_CHECKING:
    from tests.integration.conftest import Stack

_LIMIT_S = 120.0
_SUPERVISE = Path(__file__).with_name("supervise.py")
_STAND_IN = "stand-in"


def until(condition: Callable[[], bool], limit_s: float = _LIMIT_S) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come within its limit"
        time.sleep(0.05)


class RunningStack:
    """A supervisor in a process of its own, with Kafka and one stand-in worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        root = Path(__file__).resolve().parent.parent.parent
        environment = {**os.environ, **environment_of(settings), "PYTHONPATH": str(root)}
        self.process = subprocess.Popen([sys.executable, str(_SUPERVISE)], env=environment)

    @property
    def state(self) -> StackState:
        """What the data folder says."""
        state = read_state(self.settings.data_dir)
        assert state is not None
        return state

    def is_ready(self) -> bool:
        """Return whether the data folder says that this stack is ready."""
        assert self.process.poll() is None, "the supervisor has ended"
        state = read_state(self.settings.data_dir)
        return state is not None and state.is_running() and state.state == "ready"

    def is_ready_again(self, name: str, before: int) -> bool:
        """Return whether this stack is ready with another process of this name than before."""
        state = self.state
        return state.state == "ready" and state.processes[name] not in (0, before)

    def everyone(self) -> set[int]:
        """Return the process ids of everything that runs below the supervisor."""
        grandchildren = {
            int(line.split()[1])
            for line in self.log(_STAND_IN).splitlines()
            if line.startswith("grandchild")
        }
        own = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        return {*map(int, own.stdout.split()), *grandchildren}

    def log(self, name: str) -> str:
        """Return what a process has logged."""
        return (self.settings.data_dir / "logs" / f"{name}.log").read_text()

    def end(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor alone and wait until it is gone."""
        self.process.send_signal(number)
        self.process.wait(_LIMIT_S)


@pytest.fixture
def own_settings(tmp_path: Path, jars_dir: Path) -> Settings:
    """Return settings of a stack of the test's own."""
    return Settings(data_dir=tmp_path / "data", jars_dir=jars_dir.absolute())


@pytest.fixture
def start(own_settings: Settings) -> Iterator[Callable[[], RunningStack]]:
    """Return a function that starts a stack and waits until it is ready; it ends with the test."""
    started: list[RunningStack] = []

    def start_one() -> RunningStack:
        stack = RunningStack(own_settings)
        started.append(stack)
        until(stack.is_ready)
        return stack

    yield start_one
    for stack in started:
        if stack.process.poll() is None:
            stack.end(signal.SIGTERM)


def is_gone(pids: set[int]) -> bool:
    """Return whether none of these processes runs any more."""
    return all(start_time_of(pid) is None for pid in pids)


def test_a_stack_lives_dies_and_comes_back_with_its_data(
    start: Callable[[], RunningStack], own_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ready, a worker's death, a second start, an orderly stop, a kill: data and ports stay."""
    first = start()
    everyone = first.everyone()
    assert len(everyone) >= 4, "expected guardian, Kafka, the worker and its child"
    assert sorted(first.state.processes) == ["kafka", _STAND_IN]
    assert topic_names(first.state.brokers) >= {"spreads", "kraken_quotes", "dead_letters"}

    # A worker that dies is started again, and its child does not stay.
    worker = first.state.processes[_STAND_IN]
    os.kill(worker, signal.SIGKILL)
    until(lambda: first.is_ready_again(_STAND_IN, worker))
    assert first.log(_STAND_IN).count("grandchild") == 2

    # A second `up` on the same folder is refused in one sentence.
    with pytest.raises(StackError, match=r"expected no stack to be running") as refused:
        Supervisor(own_settings).__enter__()
    assert "\n" not in str(refused.value)

    produce(first.state.brokers, b"kept")
    ports, brokers = first.state.ports, first.state.brokers
    cluster = cluster_id(brokers)

    # An orderly stop leaves nothing.
    everyone |= first.everyone()
    first.end(signal.SIGTERM)
    assert first.process.returncode == 0
    # A grandchild is ended with its group, and nobody here is told when the kernel has done it.
    until(lambda: is_gone(everyone))
    assert first.state.state == "stopped"
    assert main_with(own_settings, "ready", "--timeout", "0") == 1
    assert "none is running" in capsys.readouterr().err

    # The second start has the same ports, cluster and records.
    second = start()
    assert (second.state.ports, second.state.brokers) == (ports, brokers)
    assert cluster_id(brokers) == cluster
    assert consume(brokers) == b"kept"
    assert main_with(own_settings, "ready", "--timeout", "0") == 0

    # A kill leaves nothing either, grandchildren included.
    everyone = second.everyone()
    second.end(signal.SIGKILL)
    until(lambda: is_gone(everyone))

    # And what it leaves does not stand in the way of the next.
    third = start()
    assert consume(third.state.brokers) == b"kept"


def test_a_taken_port_is_told_before_anything_starts(own_settings: Settings, stack: Stack) -> None:
    """The port of a running Kafka is not free; the folder stays without processes."""
    kafka_port = int(stack.brokers.rpartition(":")[2])
    settings = own_settings.model_copy(update={"kafka_port": kafka_port})
    with pytest.raises(StackError, match=rf"expected port {kafka_port}, which is set for kafka"):
        Supervisor(settings).__enter__()
    # The lock was given back.
    with pytest.raises(StackError, match="expected port"):
        Supervisor(settings).__enter__()


def test_missing_jars_are_told(own_settings: Settings, tmp_path: Path) -> None:
    """The sentence names the folder and the remedy."""
    settings = own_settings.model_copy(update={"jars_dir": tmp_path})
    with pytest.raises(
        StackError, match=r"expected Kafka's jars in .*, found none; run `make setup`"
    ):
        Supervisor(settings).__enter__()


def test_a_worker_that_never_comes_up_is_told_with_its_log(own_settings: Settings) -> None:
    """The start is given up after three deaths, with the end of the log, and Kafka goes too."""
    broken = Worker("broken", [sys.executable, "-c", "raise SystemExit('no such luck')"])
    with (
        pytest.raises(
            StackError, match=r"expected broken to become ready, it ended 3 times"
        ) as told,
        Supervisor(own_settings, [broken]) as supervisor,
    ):
        supervisor.wait_until_ready()
    assert "no such luck" in str(told.value)
    state = read_state(own_settings.data_dir)
    assert state is not None
    assert state.state == "stopped"


def test_a_stop_while_starting_is_obeyed(own_settings: Settings) -> None:
    """Whoever asks for a stop need not wait until everything is ready."""
    with Supervisor(own_settings) as supervisor:
        assert supervisor.wait_until_ready(lambda: True) is False
        kafka = supervisor.processes["kafka"].pid
    assert is_gone({kafka})


def test_a_free_port_is_below_the_ports_of_clients() -> None:
    """So that a kept port is not lost to a client while the stack is down."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert choose_port("kafka", 0, None, ()) < lowest


def topic_names(brokers: str) -> set[str]:
    """Return the topics that there are."""
    return set(AdminClient({"bootstrap.servers": brokers}).list_topics(timeout=30).topics)


def cluster_id(brokers: str) -> str:
    """Return the id of the cluster."""
    return str(AdminClient({"bootstrap.servers": brokers}).list_topics(timeout=30).cluster_id)


def produce(brokers: str, value: bytes) -> None:
    """Send one record and wait until it is in."""
    producer = Producer({"bootstrap.servers": brokers})
    producer.produce(SPREADS.name, value=value, partition=0)
    assert producer.flush(30) == 0


def consume(brokers: str) -> bytes | None:
    """Return the value of the first record."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "test"})
    consumer.assign([TopicPartition(SPREADS.name, 0, OFFSET_BEGINNING)])
    try:
        message = consumer.poll(30)
        return message.value() if message is not None else None
    finally:
        consumer.close()


def main_with(settings: Settings, *words: str) -> int:
    """Run a command with these settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(settings).items():
            patch.setenv(name, value)
        return main(words)


def test_everything_is_on_loopback(stack: Stack) -> None:
    """The broker is not reachable from elsewhere."""
    assert stack.brokers.startswith(f"{LOOPBACK}:")
