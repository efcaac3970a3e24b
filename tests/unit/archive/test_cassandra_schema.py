"""What is decided about Cassandra without one: addresses, keyspaces, migrations, the node."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.archive.cassandra.access import contact_points, keyspace_of
from agents.archive.cassandra.schema import Migration, migrations, pending, tables, with_options
from models.errors import SettingsError, StackError, StoreError
from models.settings import Settings
from services.local.cassandra.node import CassandraNode, node_configuration
from services.local.cassandra.start import own_node
from services.local.ports import LOOPBACK
from services.local.state import needing_cassandra, with_cassandra

_REPEATABLE = re.compile(
    r"CREATE (TABLE|INDEX|TYPE) IF NOT EXISTS |ALTER TABLE \w+ ADD IF NOT EXISTS "
)
_NAMESPACES = st.text("abzABZ019_-", max_size=60)


def named(namespace: str) -> Settings:
    """Return settings of a namespace."""
    return Settings(namespace=namespace)


@given(_NAMESPACES)
def test_every_namespace_has_a_keyspace_that_cassandra_takes(namespace: str) -> None:
    """Letters, digits and `_`, at most 48 of them, with the keyspace's own name at the end."""
    keyspace = keyspace_of(named(namespace))
    assert re.fullmatch(r"\w{1,48}", keyspace, re.ASCII)
    assert keyspace.endswith("cointide")


@given(_NAMESPACES, _NAMESPACES)
def test_two_namespaces_have_two_keyspaces(one: str, other: str) -> None:
    """However long and with whatever characters."""
    assert (keyspace_of(named(one)) == keyspace_of(named(other))) == (one == other)


def test_a_long_keyspace_leaves_room_for_its_namespace() -> None:
    """The longest name that a setting may have, and the longest that Cassandra takes."""
    settings = Settings(namespace="a-long-namespace", cassandra_keyspace="k" * 40)
    assert re.fullmatch(r"[0-9a-f]{7}_k{40}", keyspace_of(settings))


def test_contact_points_are_hosts_with_or_without_a_port() -> None:
    """An address of IPv6 stands in brackets."""
    assert contact_points("a, b:1,[::1]:2") == [("a", 9042), ("b", 1), ("::1", 2)]


@pytest.mark.parametrize("text", ["", "a,", "a:b", ":1", "a:0", "a:65536", "a:²", "::1"])
def test_a_contact_point_that_is_none_is_told(text: str) -> None:
    """The sentence names the variable and what it was."""
    with pytest.raises(SettingsError, match="COINTIDE_CASSANDRA_CONTACT_POINTS") as told:
        contact_points(text)
    assert repr(text) in str(told.value)


def test_a_statement_of_a_migration_may_be_executed_twice() -> None:
    """For a run may be killed between two of them; and none drops anything."""
    for migration in migrations():
        assert migration.statements
        for statement in migration.statements:
            assert _REPEATABLE.match(statement), statement


def test_the_tables_of_the_contract_are_created() -> None:
    """Those that docs/archive.md lists, and each of those with settings."""
    page = (Path(__file__).parents[3] / "docs" / "archive.md").read_text(encoding="utf-8")
    part = page.partition("| table | primary key | holds |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in part.splitlines() if line.startswith("| `")]
    listed = {
        (name, " ".join(key.replace("`", "").split()))
        for names, key in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    created = set()
    for statement in (each for found in migrations() for each in found.statements):
        name = re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", statement)
        key = re.search(r"PRIMARY KEY (\(.*\))\s*\)$", statement, re.DOTALL)
        if name and key:
            created.add((name[1], " ".join(key[1].split())))
    assert listed == created | {("schema_migrations", "(version)")}
    assert {table.name for table in tables(Settings())} <= {name for name, _ in created}


def test_comments_and_semicolons_part_the_statements() -> None:
    """Nothing of a comment is executed."""
    text = "-- first; not a statement\nCREATE a; -- of\nCREATE b\n  c;\n\n"
    assert Migration(1, "0001_a", text).statements == ["CREATE a", "CREATE b\n  c"]


def test_only_what_is_not_applied_is_pending() -> None:
    """Whatever the order in the table; versions of a newer Cointide are left alone."""
    first, second = Migration(1, "0001_a", "A"), Migration(2, "0002_b", "B")
    assert pending([first, second], {}) == [first, second]
    assert pending([first, second], {1: first.sha256}) == [second]
    assert pending([first, second], {3: "newer", 2: second.sha256, 1: first.sha256}) == []


def test_a_migration_that_was_changed_is_refused() -> None:
    """Also when there would be others to apply."""
    first, second = Migration(1, "0001_a", "A"), Migration(2, "0002_b", "B")
    with pytest.raises(StoreError, match=r"expected migration 0001_a to be what was applied"):
        pending([first, second], {1: "0" * 64})


def test_a_table_is_created_with_what_the_settings_say_of_it() -> None:
    """TTL and windows are there before the first row is."""
    settings = Settings(cassandra_bars_ttl_days=2, cassandra_bars_window_hours=6)
    found = with_options("CREATE TABLE IF NOT EXISTS bars (a int)", tables(settings))
    assert found == (
        "CREATE TABLE IF NOT EXISTS bars (a int) WITH default_time_to_live = 172800 AND "
        "compaction = {'class': "
        "'org.apache.cassandra.db.compaction.TimeWindowCompactionStrategy', "
        "'compaction_window_unit': 'HOURS', 'compaction_window_size': '6'}"
    )
    other = "CREATE TABLE IF NOT EXISTS progress (a int)"
    assert with_options(other, tables(settings)) == other


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"cassandra_username": "a"}, "expected COINTIDE_CASSANDRA_PASSWORD to be set with"),
        ({"cassandra_password": "a"}, "expected COINTIDE_CASSANDRA_USERNAME to be set with"),
        ({"cassandra_ssl_ca_file": "a"}, "expected COINTIDE_CASSANDRA_SSL to be true with"),
        (
            {"cassandra_ssl": True, "cassandra_ssl_key_file": "a"},
            "expected COINTIDE_CASSANDRA_SSL_CERTIFICATE_FILE to be set with",
        ),
        (
            {"cassandra_ssl": True, "cassandra_ssl_certificate_file": "a"},
            "expected COINTIDE_CASSANDRA_SSL_KEY_FILE to be set with",
        ),
        (
            {"cassandra_local_datacenter": "dc1"},
            "expected COINTIDE_CASSANDRA_REPLICATION to have replicas in",
        ),
        ({"cassandra_replication": {"datacenter1": 0}}, "greater than or equal to 1"),
        ({"cassandra_keyspace": "a-b"}, "match pattern"),
    ],
)
def test_settings_of_cassandra_that_do_not_fit_are_refused(
    given: dict[str, Any], expected: str
) -> None:
    """The sentence says what was expected and names the variables."""
    with pytest.raises(ValidationError, match=expected):
        Settings(**given)


def test_the_node_is_on_loopback_and_acknowledges_what_is_on_the_disk(tmp_path: Path) -> None:
    """No address but this machine's; a write is synchronised before it is answered."""
    found = node_configuration(1, 2, tmp_path)
    assert {found[name] for name in ("listen_address", "rpc_address")} == {LOOPBACK}
    assert (found["native_transport_port"], found["storage_port"]) == (1, 2)
    assert found["commitlog_sync"] == "batch"
    folders = [name for name in found if "director" in name]
    assert len(folders) == 5
    for name in folders:
        assert str(tmp_path) in str(found[name])


def test_missing_jars_of_cassandra_are_told(tmp_path: Path) -> None:
    """The sentence names the folder and the remedy."""
    node = CassandraNode(Settings(jars_dir=tmp_path), 1, 2)
    with pytest.raises(StackError, match=r"expected Cassandra's jars in .*; run `make setup`"):
        node.plan()


def test_the_stack_has_no_node_for_settings_of_another_cassandra() -> None:
    """A user, TLS or a data centre are of one that has contact points."""
    settings = Settings(cassandra_username="a", cassandra_password="b")
    with pytest.raises(SettingsError, match="CONTACT_POINTS with COINTIDE_CASSANDRA_USERNAME"):
        own_node(settings, 1, 2)


def test_cassandra_is_found_by_the_setting_and_not_when_it_is_off(tmp_path: Path) -> None:
    """Who cannot do without says which."""
    settings = Settings(data_dir=tmp_path)
    assert with_cassandra(settings) is None
    with pytest.raises(StackError, match="CONTACT_POINTS, but found neither"):
        needing_cassandra(settings)
    there = settings.model_copy(update={"cassandra_contact_points": "a"})
    assert needing_cassandra(there) == there
    off = there.model_copy(update={"cassandra": "off"})
    assert with_cassandra(off) is None
    with pytest.raises(StackError, match="but COINTIDE_CASSANDRA is off"):
        needing_cassandra(off)
