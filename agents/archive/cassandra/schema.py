"""The schema of the archive's keyspace: its migrations, and what the settings say of its tables.

A migration is a file of CQL, `migrations/0001_name.cql`, applied once in the order of the numbers.
Each of its statements may be executed twice (`IF NOT EXISTS`), for a run may be killed between
them, and none takes away what the version before reads or writes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agents.archive.cassandra.access import keyspace_of
from agents.archive.cassandra.schema_lock import LOCK_VERSION, SchemaLock
from agents.archive.cassandra.session import CassandraSession
from models.errors import StoreError
from models.settings import Settings

_FOLDER = Path(__file__).with_name("migrations")
_DAY_S = 86_400
_STRATEGY = "org.apache.cassandra.db.compaction.TimeWindowCompactionStrategy"
_NETWORK = "org.apache.cassandra.locator.NetworkTopologyStrategy"
_CREATED = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_LONG_LIVED = ("bars", "indicators")
_SHORT_LIVED = ("spreads", "feeds", "returns", "matrices")

_CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version int PRIMARY KEY, name text, sha256 text, applied_at timestamp, lock_owner uuid
)"""


class Migration(msgspec.Struct, frozen=True):
    """One file: its number, its name and its text."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The digest of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The statements of the text, without comments."""
        lines = [line.partition("--")[0] for line in self.text.splitlines()]
        return [each.strip() for each in "\n".join(lines).split(";") if each.strip()]


class Table(msgspec.Struct, frozen=True):
    """What the settings say of a table: how long it keeps rows, and the windows it compacts."""

    name: str
    ttl_s: int
    window_hours: int

    @property
    def options(self) -> str:
        """The options of the table, in CQL."""
        return f"default_time_to_live = {self.ttl_s} AND compaction = {_literal(self.compaction)}"

    @property
    def compaction(self) -> dict[str, str]:
        """The compaction as `system_schema.tables` shows it, in what we decide of it."""
        return {
            "class": _STRATEGY,
            "compaction_window_unit": "HOURS",
            "compaction_window_size": str(self.window_hours),
        }


def migrations(folder: Path = _FOLDER) -> list[Migration]:
    """Return the migrations in their order; their numbers are 1, 2, 3 and so on."""
    found = [
        Migration(int(path.name.partition("_")[0]), path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.cql"))
    ]
    assert [each.version for each in found] == list(range(1, len(found) + 1)), found
    return found


def tables(settings: Settings) -> list[Table]:
    """Return what the settings say of each table of rows.

    >>> tables(Settings())[0]
    Table(name='spreads', ttl_s=2592000, window_hours=24)
    """
    short = round(settings.cassandra_ttl_days * _DAY_S), settings.cassandra_window_hours
    long = round(settings.cassandra_bars_ttl_days * _DAY_S), settings.cassandra_bars_window_hours
    return [
        *(Table(name, *short) for name in _SHORT_LIVED),
        *(Table(name, *long) for name in _LONG_LIVED),
    ]


def pending(known: Sequence[Migration], applied: dict[int, str]) -> list[Migration]:
    """Return which migrations are to be applied, where `applied` holds the digests of those done.

    What was applied by a newer version of Cointide is left as it is.

    Raises:
        StoreError: one that was applied is no longer what it was.
    """
    for migration in known:
        digest = applied.get(migration.version, migration.sha256)
        if digest != migration.sha256:
            raise StoreError(
                f"expected migration {migration.name} to be what was applied (SHA-256 "
                f"{digest[:12]}…), was {migration.sha256[:12]}…: a migration never changes, "
                "add another one"
            )
    return [each for each in known if each.version not in applied]


def with_options(statement: str, known: Sequence[Table]) -> str:
    """Return a statement that, where it creates one of these tables, gives it its options at once.

    >>> with_options("CREATE TABLE IF NOT EXISTS a (b int PRIMARY KEY)", [Table("c", 1, 2)])
    'CREATE TABLE IF NOT EXISTS a (b int PRIMARY KEY)'
    """
    created = _CREATED.match(statement)
    table = next((each for each in known if created and each.name == created[1]), None)
    return f"{statement} WITH {table.options}" if table else statement


def apply_schema(
    session: CassandraSession,
    settings: Settings,
    known: Sequence[Migration],
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Make keyspace and tables what the migrations and the settings say; a second time is nothing.

    Runs at the same time wait for each other. `session` uses no keyspace when it comes and the one
    of the settings afterwards. `say` is told each change in a line.

    Raises:
        StoreError: Cassandra cannot be changed, or an applied migration is not what it was.
    """
    keyspace = keyspace_of(settings)
    _use_keyspace(session, keyspace, settings, say)
    session.execute(_CREATE_MIGRATIONS)
    lock = SchemaLock(session)
    lock.acquire()
    try:
        for migration in pending(known, applied_migrations(session)):
            for statement in migration.statements:
                lock.extend()
                session.execute(with_options(statement, tables(settings)))
            session.execute(
                "INSERT INTO schema_migrations (version, name, sha256, applied_at) "
                "VALUES (%s, %s, %s, %s)",
                (migration.version, migration.name, migration.sha256, datetime.now(UTC)),
            )
            say(f"{migration.name}: applied")
        for table in tables(settings):
            lock.extend()
            _alter_table(session, keyspace, table, say)
    finally:
        lock.release()


def check_schema(session: CassandraSession, known: Sequence[Migration]) -> None:
    """Return if every migration has been applied.

    Raises:
        StoreError: one has not, or is not what it was.
    """
    missing = pending(known, applied_migrations(session))
    if missing:
        names = ", ".join(each.name for each in missing)
        raise StoreError(
            f"expected the schema of the archive in Cassandra, but {names} is not applied; "
            "run `cointide archive schema`"
        )


def applied_migrations(session: CassandraSession) -> dict[int, str]:
    """Return the digests of the migrations that were applied, by version.

    Raises:
        StoreError: Cassandra cannot be read, or the keyspace holds no archive.
    """
    rows = session.execute("SELECT version, sha256 FROM schema_migrations")
    return {row.version: row.sha256 for row in rows if row.version != LOCK_VERSION}


def _use_keyspace(
    session: CassandraSession, keyspace: str, settings: Settings, say: Callable[[str], None]
) -> None:
    copies = {name: str(count) for name, count in settings.cassandra_replication.items()}
    wanted = {"class": _NETWORK, **copies}
    # Tried first: to create one takes a right, even where it is there, that a user need not have.
    if not session.use(keyspace):
        session.execute(
            f'CREATE KEYSPACE IF NOT EXISTS "{keyspace}" WITH replication = {_literal(wanted)}'
        )
        session.use(keyspace)
        say(f"keyspace {keyspace}: created with {_in_words(copies)}")
        return
    (row,) = session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", (keyspace,)
    )
    if dict(row.replication) != wanted:
        session.execute(f'ALTER KEYSPACE "{keyspace}" WITH replication = {_literal(wanted)}')
        say(f"keyspace {keyspace}: now {_in_words(copies)}; run `nodetool repair` for what it has")


def _alter_table(
    session: CassandraSession, keyspace: str, table: Table, say: Callable[[str], None]
) -> None:
    (row,) = session.execute(
        "SELECT default_time_to_live, compaction FROM system_schema.tables "
        "WHERE keyspace_name = %s AND table_name = %s",
        (keyspace, table.name),
    )
    found = {name: row.compaction.get(name) for name in table.compaction}
    if (row.default_time_to_live, found) == (table.ttl_s, table.compaction):
        return
    session.execute(f"ALTER TABLE {table.name} WITH {table.options}")
    say(
        f"{table.name}: rows written from now on are kept {table.ttl_s / _DAY_S:g} days"
        f" (0 is for ever), compacted by {table.window_hours} h"
    )


def _literal(options: dict[str, str]) -> str:
    quoted = (f"'{_quoted(name)}': '{_quoted(value)}'" for name, value in options.items())
    return "{" + ", ".join(quoted) + "}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _in_words(copies: dict[str, str]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in copies.items())
