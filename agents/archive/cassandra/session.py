"""The way into Cassandra: one session a process, as the settings say.

Its methods wait; code that may not calls them in a thread. A session may be shared by threads.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeAlias

from cassandra import ConsistencyLevel, DriverException, InvalidRequest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResultSet,
)
from cassandra.concurrent import execute_concurrent
from cassandra.connection import ConnectionException
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    TokenAwarePolicy,
)
from cassandra.query import BatchStatement, PreparedStatement, SimpleStatement, named_tuple_factory

from agents.archive.cassandra.access import contact_points, keyspace_of, ssl_context
from models.errors import StoreError
from models.settings import Settings

_PROTOCOL = 5
_RECONNECT_S = 0.5
_HEARTBEAT_S = 10
_FAILURES = (DriverException, NoHostAvailable, ConnectionException, OSError)

Statement: TypeAlias = PreparedStatement | BatchStatement | SimpleStatement
Request: TypeAlias = tuple[Statement, Sequence[object]]
"""A statement and its parameters; those of a batch are in it, so its tuple is `(batch, ())`."""


class CassandraSession:
    """A session with the data centre of the settings; what cannot be done is a `StoreError`.

    A node that comes back is used again within a second, for ever. While none is there a request
    fails at once: whoever tries again has to wait in between. A request that has failed may have
    been done all the same, so what is written must bear to be written twice.
    """

    def __init__(self, cluster: Cluster, session: Any, settings: Settings) -> None:
        """Use `open_session`."""
        self._cluster = cluster
        self._session = session
        self._settings = settings
        self._concurrency = settings.cassandra_in_flight

    def __enter__(self) -> CassandraSession:
        """Return itself; it is closed at the exit."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give every connection back."""
        self._cluster.shutdown()

    def prepare(self, cql: str) -> PreparedStatement:
        """Return a statement with `?` in it, to be executed many times; it may be tried twice.

        Raises:
            StoreError: Cassandra did not answer, or has no such table or column.
        """
        with self._translated():
            statement = self._session.prepare(cql)
        statement.is_idempotent = True
        return statement

    def execute(self, statement: Statement | str, parameters: Sequence[object] = ()) -> list[Any]:
        """Execute one statement and return its rows, named tuples, all at once.

        Text takes its parameters as `%s`.

        Raises:
            StoreError: it was not done, or it is not known whether it was.
        """
        with self._translated():
            return list(self._session.execute(statement, parameters or None))

    def execute_all(self, requests: Iterable[Request]) -> list[list[Any]]:
        """Execute many, at most `cassandra_in_flight` at a time; return the rows of each in order.

        Raises:
            StoreError: at least one was not done, and all others have ended.
        """
        pairs = [(statement, parameters or None) for statement, parameters in requests]
        with self._translated():
            done = execute_concurrent(
                self._session, pairs, self._concurrency, raise_on_first_error=False
            )
            found = []
            for is_done, result in done:
                if not is_done:
                    raise result
                found.append(list(result) if isinstance(result, ResultSet) else [])
        return found

    def pages(
        self, statement: PreparedStatement, parameters: Sequence[object], fetch_size: int
    ) -> Iterator[list[Any]]:
        """Yield the rows page by page; the next page is fetched while one is worked on.

        Raises:
            StoreError: a page could not be read.
        """
        bound = statement.bind(parameters)
        bound.fetch_size = fetch_size
        with self._translated():
            result = self._session.execute(bound)
        while True:
            rows = result.current_rows
            more = result.has_more_pages
            if more:
                result.response_future.start_fetching_next_page()
            yield rows
            if not more:
                return
            with self._translated():
                result = result.response_future.result()

    def use(self, keyspace: str) -> bool:
        """Have unqualified tables be those of a keyspace; return whether it is there.

        Raises:
            StoreError: Cassandra did not answer.
        """
        with self._translated():
            try:
                self._session.set_keyspace(keyspace)
            except InvalidRequest:
                return False
        return True

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise StoreError(_sentence(self._settings, error)) from error


def open_session(settings: Settings, keyspace: str | None = None) -> CassandraSession:
    """Return a session that uses the keyspace of the settings, or another one (`""` is none).

    Raises:
        SettingsError: the contact points or the files of the TLS settings cannot be used.
        StoreError: Cassandra is not there, does not let us in, or has no such keyspace.
    """
    points = contact_points(settings.cassandra_contact_points)
    # What has failed is raised. The driver would say it too, of a node that is away twice a second.
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(
            DCAwareRoundRobinPolicy(local_dc=settings.cassandra_local_datacenter)
        ),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=settings.cassandra_request_timeout_s,
        row_factory=named_tuple_factory,
    )
    cluster = Cluster(
        points,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=PlainTextAuthProvider(
            settings.cassandra_username, settings.cassandra_password.get_secret_value()
        )
        if settings.cassandra_username
        else None,
        ssl_context=ssl_context(settings) if settings.cassandra_ssl else None,
        # What is large is packed by us.
        compression=False,
        protocol_version=_PROTOCOL,
        connection_class=LibevConnection,
        # Else a request of several segments waits 40 ms for an acknowledgement.
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        reconnection_policy=ConstantReconnectionPolicy(_RECONNECT_S, max_attempts=None),
        connect_timeout=settings.cassandra_request_timeout_s,
        control_connection_timeout=settings.cassandra_request_timeout_s,
        idle_heartbeat_interval=_HEARTBEAT_S,
        idle_heartbeat_timeout=settings.cassandra_request_timeout_s,
    )
    wanted = keyspace_of(settings) if keyspace is None else keyspace
    try:
        session = CassandraSession(cluster, cluster.connect(), settings)
    except _FAILURES as error:
        cluster.shutdown()
        raise StoreError(_sentence(settings, error)) from error
    try:
        is_there = not wanted or session.use(wanted)
    except StoreError:
        session.close()
        raise
    if not is_there:
        session.close()
        raise StoreError(
            f"expected keyspace {wanted} in Cassandra at {settings.cassandra_contact_points}, "
            "found none; run `cointide archive schema`"
        )
    return session


def _sentence(settings: Settings, error: BaseException) -> str:
    """Return what was expected and what came, without a secret."""
    where = f"Cassandra at {settings.cassandra_contact_points}"
    # By node; a session that has lost all of its nodes names none.
    causes = list(error.errors.values()) if isinstance(error, NoHostAvailable) else [error]
    text = "; ".join(dict.fromkeys(f"{type(each).__name__}: {each}" for each in causes))
    if "uthentication" in text:
        return (
            f"expected {where} to let in user {settings.cassandra_username!r} with the password of "
            f"COINTIDE_CASSANDRA_PASSWORD, but {text}"
        )
    if any(isinstance(each, ssl.SSLError) or "SSL" in str(each) for each in causes):
        return (
            f"expected {where} and this client to accept each other's certificates "
            f"(COINTIDE_CASSANDRA_SSL_…), but {text}"
        )
    return f"expected {where} to answer, but {text or 'no node can be reached'}"
