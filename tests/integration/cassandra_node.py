"""A real Cassandra for the integration tests: one for the whole run, a keyspace for each test.

Fixtures of `conftest.py`:

- `cassandra` is the node of this run (one of each process of pytest-xdist; it starts in 5 to 15 s):
  `settings` point to it, `kill()`, `stop()` and `start()` disturb it. A test that ends it starts it
  again.
- `cassandra_settings` are those of a test of its own: this node, a fresh namespace, so a fresh
  keyspace, and folder. `archive_keyspace` are the same with the tables made (2 s).
- With the stack's Kafka as well: `namespaced.model_copy(update=cassandra.contact)` has the same
  namespace, so the same keyspace.

Elsewhere: `with CassandraForTests(Settings(data_dir=…, jars_dir=…)) as cassandra`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from models.settings import Settings
from services.local.cassandra.node import CassandraNode
from services.local.guardian import Guardian
from services.local.ports import choose_port
from services.local.processes import ProcessPlan, SupervisedProcess
from services.local.state import StackLock
from tests.integration.waiting import until


class CassandraForTests:
    """One node of the local stack's kind. Use it as a context: it is ended at the exit.

    `settings` are those given, with its contact point. `changes` go over its own configuration, by
    the names of `cassandra.yaml`; `is_ready` says when it has started, if that is not when it
    answers a client that has not said who it is.
    """

    def __init__(
        self,
        settings: Settings,
        changes: Mapping[str, object] | None = None,
        is_ready: Callable[[], bool] | None = None,
    ) -> None:
        """Choose its ports."""
        port = choose_port("cassandra", 0, None, ())
        storage_port = choose_port("cassandra-storage", 0, None, [port])
        self.node = CassandraNode(settings, port, storage_port)
        self.contact = {"cassandra_contact_points": self.node.address}
        self.settings = settings.model_copy(update=self.contact)
        self._changes = changes or {}
        self._is_ready = is_ready or self.node.is_ready
        self._lock = StackLock(settings.data_dir)
        self._process: SupervisedProcess | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        self.node.prepare()
        file = self.node.configuration
        file.write_text(json.dumps(json.loads(file.read_text()) | dict(self._changes)))
        self._lock.acquire()
        self._guardian = Guardian(self._lock.descriptor)
        self._guardian.start()
        logs = self.settings.data_dir / "logs"
        plan = dataclasses.replace(self.node.plan(), ready=self._is_ready)
        self._process = SupervisedProcess(plan, logs, self._guardian)
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it."""
        self.process.kill()
        self._guardian.stop()
        self._lock.release()

    @property
    def process(self) -> SupervisedProcess:
        """Its process, for its pid and its log."""
        assert self._process is not None, "it is started at the entry"
        return self._process

    def run_once(self, plan: ProcessPlan) -> SupervisedProcess:
        """Start a process that has an end of its own, beside the node."""
        process = SupervisedProcess(plan, self.settings.data_dir / "logs", self._guardian)
        process.start()
        return process

    def stop(self) -> None:
        """Stop it in order (SIGTERM) and wait until it is gone."""
        self.process.stop()

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone."""
        self.process.kill()

    def start(self) -> None:
        """Start it if it is down, and wait until it answers."""
        if self.process.phase == "down":
            self.process.start()

        def has_started() -> bool:
            self.process.step()
            assert self.process.phase != "down", f"it has ended\n{self.process.log_tail()}"
            return self.process.phase == "ready"

        until(has_started, "Cassandra to be ready", self.process.log_tail)
