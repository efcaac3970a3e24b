"""Ports and the state of a data folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import StackError
from models.settings import Settings, environment_of
from services.local.kafka.broker import new_cluster_id, server_properties
from services.local.ports import LOOPBACK, choose_port
from services.local.state import (
    StackLock,
    StackState,
    brokers_of,
    read_state,
    start_time_of,
    write_state,
)


@pytest.fixture
def taken() -> Iterator[int]:
    """Listen on some port."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield int(server.getsockname()[1])


def running(pid: int) -> StackState:
    """Describe a ready stack of some process."""
    return StackState(
        ports={}, brokers="127.0.0.1:1", state="ready", pid=pid, started=start_time_of(pid) or 1
    )


def test_a_port_that_is_set_and_taken_is_told(taken: int) -> None:
    """One sentence names the port and what it was for."""
    with pytest.raises(StackError, match=rf"expected port {taken}, which is set for kafka") as told:
        choose_port("kafka", taken, None, ())
    assert "\n" not in str(told.value)


def test_a_kept_port_is_used_again_unless_it_is_taken(taken: int) -> None:
    """A port that was chosen by itself gives way; a free one is kept."""
    free = choose_port("kafka", 0, None, ())
    assert choose_port("kafka", 0, free, ()) == free
    assert choose_port("kafka", 0, taken, ()) != taken
    assert choose_port("kafka", 0, free, (free,)) != free


def test_one_port_is_not_given_twice() -> None:
    """Two uses that are set to the same port are told."""
    free = choose_port("kafka", 0, None, ())
    with pytest.raises(StackError, match="which is set for kafka-controller"):
        choose_port("kafka-controller", free, None, (free,))


def test_a_chosen_port_is_chosen_by_no_other_process_while_this_one_lives() -> None:
    """Its server may not listen yet."""
    free = choose_port("kafka", 0, None, ())
    choose = (
        f"from services.local.ports import choose_port;print(choose_port('kafka', 0, {free}, ()))"
    )

    def chosen_elsewhere() -> int:
        command = [sys.executable, "-c", choose]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert chosen_elsewhere() != free
    for _ in range(64):
        choose_port("kafka", 0, None, ())
    assert chosen_elsewhere() == free, "a claim of long ago is given back"


def test_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    """And a folder without a stack has none."""
    assert read_state(tmp_path) is None
    state = running(os.getpid())
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_a_broken_state_is_told(tmp_path: Path) -> None:
    """The sentence names the file."""
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(StackError, match=r"expected .*stack\.json to describe a stack"):
        read_state(tmp_path)


def test_a_reused_process_id_is_no_running_stack() -> None:
    """The start time tells apart whom the id belongs to."""
    state = running(os.getpid())
    assert state.is_running()
    state.started += 1
    assert not state.is_running()


def test_brokers_come_from_the_setting_or_the_running_stack(tmp_path: Path) -> None:
    """The setting goes first; without either one sentence says what was expected."""
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(
        StackError, match=r"expected a running stack in .* or COINTIDE_KAFKA_BROKERS"
    ):
        brokers_of(settings)
    write_state(tmp_path, running(os.getpid()))
    assert brokers_of(settings) == "127.0.0.1:1"
    assert brokers_of(settings.model_copy(update={"kafka_brokers": "a:1"})) == "a:1"


def test_a_folder_has_one_stack(tmp_path: Path) -> None:
    """A second lock is refused in one sentence that names the first; a released one is free."""
    first, second = StackLock(tmp_path), StackLock(tmp_path)
    first.acquire()
    write_state(tmp_path, running(os.getpid()))
    with pytest.raises(StackError, match=rf"but one is \(process {os.getpid()}\)"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_data_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file in its place, for one."""
    (tmp_path / "data").touch()
    with pytest.raises(StackError, match="expected to write in the data folder"):
        StackLock(tmp_path / "data").acquire()


def test_settings_survive_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is started with `environment_of` reads the same settings."""
    settings = Settings(data_dir=tmp_path, namespace="n", exchanges=["kraken"], partitions=3)
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_kafka_listens_on_loopback_alone(tmp_path: Path) -> None:
    """Both listeners, and the cluster id has the form that Kafka's tools take."""
    text = server_properties(1, 2, tmp_path)
    assert "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n" in text
    assert f"log.dirs={tmp_path}\n" in text
    assert len(new_cluster_id()) == 22
