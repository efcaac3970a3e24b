"""How Cassandra comes into a local stack: the node, the schema, then whoever needs them."""

from __future__ import annotations

from collections.abc import Callable

from models.errors import SettingsError, StackError
from models.settings import Settings
from services.local.cassandra.node import CassandraNode
from services.local.processes import ProcessPlan, SupervisedProcess
from services.local.workers import errand_plan

# What would be said to the stack's own node, which knows none of it.
_OF_ANOTHER = (
    "cassandra_username",
    "cassandra_ssl",
    "cassandra_local_datacenter",
    "cassandra_replication",
)


class CassandraStart:
    """What is next until the schema is there; `step` does it.

    Without contact points in the settings the stack has a node of its own, `node`.
    """

    def __init__(
        self,
        settings: Settings,
        node: CassandraNode | None,
        add: Callable[[ProcessPlan], SupervisedProcess],
        run_once: Callable[[ProcessPlan], SupervisedProcess],
    ) -> None:
        """`add` starts what is kept running, `run_once` what ends."""
        self._settings = settings
        self._node = node
        self._add = add
        self._run_once = run_once
        self._process: SupervisedProcess | None = None
        self._schema: SupervisedProcess | None = None
        self.waiting_for = "schema" if node is None else "cassandra"

    def step(self) -> bool:
        """Do what is next; return whether the schema is there.

        Raises:
            StackError: the node cannot be started, or the schema not be made.
        """
        if not self.waiting_for:
            return True
        if self._node is not None and self._process is None:
            self._node.prepare()
            self._process = self._add(self._node.plan())
        if self._process is None or self._process.phase == "ready":
            self.waiting_for = "schema"
            self._make_schema()
        return not self.waiting_for

    def _make_schema(self) -> None:
        if self._schema is None:
            update = {"cassandra_contact_points": self._node.address} if self._node else {}
            found = self._settings.model_copy(update=update)
            plan = errand_plan("schema", ["archive", "schema", "--wait"], found)
            self._schema = self._run_once(plan)
        if self._schema.has_ended():
            if self._schema.last_exit != 0:
                raise StackError(
                    "expected the schema of the archive to be made, but its command ended with "
                    f"status {self._schema.last_exit}; the end of {self._schema.log}:\n"
                    f"{self._schema.log_tail()}"
                )
            self.waiting_for = ""


def own_node(settings: Settings, port: int, storage_port: int) -> CassandraNode:
    """Return the stack's own node.

    Raises:
        SettingsError: the settings are those of another Cassandra.
    """
    for name in _OF_ANOTHER:
        if getattr(settings, name) != Settings.model_fields[name].get_default():
            raise SettingsError(
                f"expected COINTIDE_CASSANDRA_CONTACT_POINTS with COINTIDE_{name.upper()}: "
                "a local stack's own Cassandra is a single one that lets everyone in"
            )
    return CassandraNode(settings, port, storage_port)
