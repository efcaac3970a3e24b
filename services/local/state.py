"""What a data folder knows about its stack: `stack.json`, and the lock that allows only one."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from models.errors import StackError
from models.settings import Settings

_FILE = "stack.json"
_LOCK = "stack.lock"
# The guardian of a killed supervisor keeps the lock until the last process is gone.
_HANDOVER_LIMIT_S = 30.0
_POLL_S = 0.1


class StackState(msgspec.Struct, kw_only=True):
    """One stack as its data folder describes it.

    `ports` keeps the port of every use from start to start. `pid` and `started` (the start time
    of the process in clock ticks since boot) tell together whether the supervisor still runs.
    `waiting_for` says in words what is not ready yet. `cassandra` is the contact point of the
    stack's own Cassandra, empty where it has none.
    """

    ports: dict[str, int]
    brokers: str = ""
    cassandra: str = ""
    namespace: str = ""
    state: Literal["starting", "ready", "stopped"] = "stopped"
    waiting_for: str = ""
    pid: int = 0
    started: int = 0
    processes: dict[str, int] = {}

    def is_running(self) -> bool:
        """Return whether the supervisor that wrote this is still there."""
        return self.pid > 0 and start_time_of(self.pid) == self.started


def start_time_of(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since boot; None if there is no such."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name of the command may hold spaces and brackets; what follows it may not.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def read_state(data_dir: Path) -> StackState | None:
    """Return the state of a data folder, None where no stack was ever started.

    Raises:
        StackError: the file is there and cannot be read.
    """
    path = data_dir / _FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackState)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise StackError(f"expected {path} to describe a stack, but: {error}") from error


def write_state(data_dir: Path, state: StackState) -> None:
    """Write the state in one piece: a reader sees the old one or the new one."""
    text = msgspec.json.format(msgspec.json.encode(state), indent=2)
    part = data_dir / f"{_FILE}.part"
    part.write_bytes(text)
    part.replace(data_dir / _FILE)


def brokers_of(settings: Settings) -> str:
    """Return the bootstrap servers: the setting, else the broker of the running local stack.

    Raises:
        StackError: there is neither.
    """
    if settings.kafka_brokers:
        return settings.kafka_brokers
    state = read_state(settings.data_dir)
    if state is None or not state.is_running() or not state.brokers:
        raise StackError(
            f"expected a running stack in {settings.data_dir} (`cointide up`) "
            "or COINTIDE_KAFKA_BROKERS, found neither"
        )
    return state.brokers


def with_cassandra(settings: Settings) -> Settings | None:
    """Return the settings with contact points: those set, else the node of the running local stack.

    None where there is neither, or Cassandra is off.
    """
    if settings.cassandra == "off":
        return None
    if settings.cassandra_contact_points:
        return settings
    state = read_state(settings.data_dir)
    if state is None or not state.is_running() or not state.cassandra:
        return None
    return settings.model_copy(update={"cassandra_contact_points": state.cassandra})


def needing_cassandra(settings: Settings) -> Settings:
    """Return the same for whoever cannot do without.

    Raises:
        StackError: there is no Cassandra.
    """
    found = with_cassandra(settings)
    if found is None:
        was = "COINTIDE_CASSANDRA is off" if settings.cassandra == "off" else "found neither"
        raise StackError(
            f"expected a running stack with Cassandra in {settings.data_dir} (`cointide up`) "
            f"or COINTIDE_CASSANDRA_CONTACT_POINTS, but {was}"
        )
    return found


class StackLock:
    """The right to run the stack of a data folder; one process at a time has it.

    The descriptor is also handed to the guardian, so that the lock is free only when the last
    process of a killed stack is gone.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The descriptor that holds the lock."""
        assert self._descriptor is not None, "the lock is not held"
        return self._descriptor

    def acquire(self) -> None:
        """Take the lock; wait only for the remains of a supervisor that is gone.

        Raises:
            StackError: a stack is running in this folder, or the folder cannot be written.
        """
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._data_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StackError(
                f"expected to write in the data folder {self._data_dir}, but: {error}"
            ) from error
        deadline = time.monotonic() + _HANDOVER_LIMIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._refuse_if_running(descriptor, deadline)
                time.sleep(_POLL_S)
            else:
                self._descriptor = descriptor
                return

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refuse_if_running(self, descriptor: int, deadline: float) -> None:
        state = read_state(self._data_dir)
        starting = state is None  # a first start that has not written its state yet
        if starting or (state and state.is_running()) or time.monotonic() > deadline:
            os.close(descriptor)
            whose = f" (process {state.pid})" if state and state.pid else ""
            raise StackError(
                f"expected no stack to be running in {self._data_dir}, but one is{whose}; "
                "stop it, or choose another folder with COINTIDE_DATA_DIR"
            )
