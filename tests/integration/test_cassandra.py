"""A real Cassandra: its schema and settings, what a kill leaves, and how a session comes back."""

from __future__ import annotations

import datetime
import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cassandra.query import SimpleStatement

from agents.archive.cassandra.access import keyspace_of
from agents.archive.cassandra.schema import (
    Migration,
    apply_schema,
    check_schema,
    migrations,
    tables,
)
from agents.archive.cassandra.session import CassandraSession, open_session
from models.errors import StoreError
from models.settings import Settings
from tests.integration.cassandra_node import CassandraForTests
from tests.integration.commands import cointide
from tests.integration.waiting import until

_DAY = datetime.date(2026, 1, 2)
_BEGIN = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
_MINUTE = datetime.timedelta(minutes=1)
_INSERT = "INSERT INTO spreads (market, day, minute, packed) VALUES (?, ?, ?, ?)"
_SELECT = "SELECT minute, packed FROM spreads WHERE market = ? AND day = ?"


@pytest.fixture
def session(archive_keyspace: Settings) -> Iterator[CassandraSession]:
    """Open a session in a keyspace of the test's own, with the tables."""
    with open_session(archive_keyspace) as session:
        yield session


def tables_of(session: CassandraSession, settings: Settings) -> dict[str, tuple[int, str, str]]:
    """Return TTL, strategy and hours of a window of every table, as Cassandra has them."""
    rows = session.execute(
        "SELECT * FROM system_schema.tables WHERE keyspace_name = %s", (keyspace_of(settings),)
    )
    return {
        row.table_name: (
            row.default_time_to_live,
            row.compaction["class"].rpartition(".")[2],
            row.compaction.get("compaction_window_size", ""),
        )
        for row in rows
    }


def test_the_schema_is_made_once_and_follows_the_settings(cassandra_settings: Settings) -> None:
    """The second run changes nothing; TTL and windows are altered where the settings change."""
    with pytest.raises(StoreError, match=r"found none; run `cointide archive schema`"):
        open_session(cassandra_settings)
    first = cointide(cassandra_settings, "archive", "schema", "--wait")
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [
        f"keyspace {keyspace_of(cassandra_settings)}: created with 1 × datacenter1",
        *(f"{each.name}: applied" for each in migrations()),
        f"keyspace {keyspace_of(cassandra_settings)}: as it is to be",
    ]
    said: list[str] = []
    with open_session(cassandra_settings, keyspace="") as session:
        before = tables_of(session, cassandra_settings)
        twcs = "TimeWindowCompactionStrategy"
        assert before["spreads"] == before["matrices"] == (30 * 86_400, twcs, "24")
        assert before["bars"] == before["indicators"] == (1_825 * 86_400, twcs, "720")
        assert before["progress"][0] == before["schema_migrations"][0] == 0
        apply_schema(session, cassandra_settings, migrations(), said.append)
        check_schema(session, migrations())
        assert said == []
        changed = cassandra_settings.model_copy(
            update={"cassandra_ttl_days": 0.5, "cassandra_window_hours": 1}
        )
        apply_schema(session, changed, migrations(), said.append)
        assert {line.partition(":")[0] for line in said} == {
            each.name for each in tables(changed) if each.name not in ("bars", "indicators")
        }
        after = tables_of(session, cassandra_settings)
        assert after["spreads"] == (43_200, twcs, "1")
        assert after["bars"] == before["bars"]
        said.clear()
        apply_schema(session, changed, migrations(), said.append)
        assert said == []


def test_runs_at_the_same_time_wait_for_each_other(cassandra_settings: Settings) -> None:
    """Each migration is applied once, and nobody has the lock afterwards."""
    applied: list[str] = []

    def run() -> None:
        with open_session(cassandra_settings, keyspace="") as session:
            apply_schema(session, cassandra_settings, migrations(), applied.append)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(run) for _ in range(2)]:
            future.result()
    assert sum(line.endswith(": applied") for line in applied) == len(migrations())
    with open_session(cassandra_settings) as session:
        rows = session.execute("SELECT version, sha256 FROM schema_migrations")
    assert {tuple(row) for row in rows} == {(each.version, each.sha256) for each in migrations()}


def test_a_changed_migration_is_refused_and_a_missing_one_told(
    session: CassandraSession, archive_keyspace: Settings
) -> None:
    """By the schema's command and by who reads; nothing is executed then, and the lock is free."""
    first, *others = migrations()
    changed = [Migration(first.version, first.name, first.text + "\n-- a word"), *others]
    for _ in range(2):
        with pytest.raises(StoreError, match="expected migration 0001_archive to be what was"):
            apply_schema(session, archive_keyspace, changed)
    with pytest.raises(StoreError, match="a migration never changes"):
        check_schema(session, changed)
    number = len(migrations()) + 1
    text = "CREATE TABLE IF NOT EXISTS more (a int PRIMARY KEY)"
    longer = [*migrations(), Migration(number, f"{number:04}_more", text)]
    with pytest.raises(StoreError, match=r"_more is not applied; run `cointide archive schema`"):
        check_schema(session, longer)
    apply_schema(session, archive_keyspace, longer)
    check_schema(session, longer)
    # An older Cointide goes on with the newer one's tables.
    apply_schema(session, archive_keyspace, migrations())
    check_schema(session, migrations())


def test_many_requests_are_answered_in_their_order(session: CassandraSession) -> None:
    """At most so many are under way; rows come back page by page."""
    insert, select = session.prepare(_INSERT), session.prepare(_SELECT)
    minutes = [_BEGIN + _MINUTE * number for number in range(1_000)]
    packed = [hashlib.sha256(str(minute).encode()).digest() for minute in minutes]
    requests = [
        (insert, ("a", _DAY, minute, value)) for minute, value in zip(minutes, packed, strict=True)
    ]
    assert session.execute_all(requests) == [[]] * 1_000
    pages = list(session.pages(select, ("a", _DAY), 300))
    assert [len(page) for page in pages] == [300, 300, 300, 100]
    assert [row.packed for page in pages for row in page] == packed
    one = session.prepare(f"{_SELECT} AND minute = ?")
    found = session.execute_all((one, ("a", _DAY, minute)) for minute in reversed(minutes))
    assert [rows[0].packed for rows in found] == packed[::-1]


def test_a_request_that_cannot_be_done_is_told(session: CassandraSession) -> None:
    """One of many, a table that is not there, a page."""
    with pytest.raises(StoreError, match="InvalidRequest"):
        session.prepare("SELECT * FROM nothing")
    with pytest.raises(StoreError, match="InvalidRequest"):
        session.execute("SELECT * FROM nothing")
    insert = session.prepare(_INSERT)
    good = (insert, ("a", _DAY, _BEGIN, b"good"))
    with pytest.raises(StoreError):
        session.execute_all([good, (SimpleStatement("SELECT * FROM nothing"), ()), good])
    assert session.execute("SELECT packed FROM spreads")[0].packed == b"good"


def test_a_killed_node_keeps_what_it_acknowledged_and_is_used_again(
    session: CassandraSession, archive_keyspace: Settings, cassandra: CassandraForTests
) -> None:
    """SIGKILL among writes: each that was answered is there; the session comes back by itself."""
    insert, select = session.prepare(_INSERT), session.prepare(_SELECT)
    acknowledged: list[datetime.datetime] = []
    failed = threading.Event()

    def write() -> None:
        number = 0
        while True:
            minutes = [_BEGIN + _MINUTE * (number + each) for each in range(20)]
            try:
                session.execute_all((insert, ("a", _DAY, each, b"x" * 500)) for each in minutes)
            except StoreError:
                failed.set()
                return
            acknowledged.extend(minutes)
            number += 20

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            until(lambda: len(acknowledged) > 500, "500 writes", cassandra.process.log_tail)
        finally:
            cassandra.kill()
        try:
            writing.result(30)
            assert failed.is_set()
            # While it is away a request fails at once, and says so.
            begun = time.monotonic()
            with pytest.raises(StoreError, match="to answer, but no node can be reached"):
                session.execute("SELECT * FROM spreads")
            assert time.monotonic() - begun < archive_keyspace.cassandra_request_timeout_s
            with pytest.raises(StoreError, match=r"to answer, but .*refused"):
                open_session(archive_keyspace)
        finally:
            cassandra.start()
    answered = time.monotonic()

    def is_back() -> bool:
        try:
            session.execute("SELECT key FROM system.local")
        except StoreError:
            return False
        return True

    until(is_back, "the session to come back", cassandra.process.log_tail, limit_s=20)
    assert time.monotonic() - answered < 20
    kept = {
        row.minute.replace(tzinfo=datetime.UTC)
        for page in session.pages(select, ("a", _DAY), 5_000)
        for row in page
    }
    assert set(acknowledged) - kept == set()


def test_a_command_says_that_cassandra_is_not_there(cassandra_settings: Settings) -> None:
    """At once, in one sentence; with `--wait` once the time is over."""
    away = cassandra_settings.model_copy(
        update={"cassandra_contact_points": "127.0.0.1:1", "start_timeout_s": 1.0}
    )
    for words in ((), ("--wait",)):
        done = cointide(away, "archive", "schema", *words)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith("cointide: expected Cassandra at 127.0.0.1:1 to answer, but ")
