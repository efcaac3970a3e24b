"""The right to change the schema of a keyspace: one run at a time has it.

It is the row of version 0 in `schema_migrations`, written by compare-and-set.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from agents.archive.cassandra.session import CassandraSession
from models.errors import StoreError

LOCK_VERSION = 0
_LOCK_S = 60
_LOCK_LIMIT_S = 90.0
_POLL_S = 0.5
_LOCK = (
    "INSERT INTO schema_migrations (version, lock_owner) VALUES (%s, %s) IF NOT EXISTS USING TTL %s"
)
_EXTEND = (
    "UPDATE schema_migrations USING TTL %s SET lock_owner = %s WHERE version = %s "
    "IF lock_owner = %s"
)
_RELEASE = "DELETE FROM schema_migrations WHERE version = %s IF lock_owner = %s"


class SchemaLock:
    """The right as one run sees it; it goes to another when this one is gone for a minute."""

    def __init__(self, session: CassandraSession) -> None:
        self._session = session
        self._owner = uuid.uuid4()

    def acquire(self) -> None:
        """Wait until no other run has it.

        Raises:
            StoreError: another one has it for too long.
        """
        deadline = time.monotonic() + _LOCK_LIMIT_S
        while not self._is_done(_LOCK, (LOCK_VERSION, self._owner, _LOCK_S)):
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"expected to change the schema within {_LOCK_LIMIT_S:g} s, but another run "
                    "is changing it"
                )
            time.sleep(_POLL_S)

    def extend(self) -> None:
        """Keep it for longer.

        Raises:
            StoreError: it was too long ago, so that another run has it now.
        """
        if not self._is_done(_EXTEND, (_LOCK_S, self._owner, LOCK_VERSION, self._owner)):
            raise StoreError("expected to be alone in changing the schema, but another run is too")

    def release(self) -> None:
        """Give it back, if this run still has it."""
        self._is_done(_RELEASE, (LOCK_VERSION, self._owner))

    def _is_done(self, cql: str, parameters: tuple[Any, ...]) -> bool:
        return bool(self._session.execute(cql, parameters)[0].applied)
