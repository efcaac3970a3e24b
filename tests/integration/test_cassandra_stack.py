"""Cassandra in the local stack: it comes after the line, keeps what it has, and goes with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agents.archive.cassandra.schema import check_schema, migrations
from agents.archive.cassandra.session import open_session
from models.errors import SettingsError, StackError
from models.settings import Settings
from services.local.cassandra.start import CassandraStart
from services.local.ports import LOOPBACK
from services.local.processes import ProcessPlan, SupervisedProcess
from services.local.state import needing_cassandra, read_state
from services.local.supervisor import Supervisor
from services.local.system import system_of
from services.local.workers import AGENTS, Worker
from tests.integration.cassandra_node import CassandraForTests
from tests.integration.waiting import until

_READY = [sys.executable, str(Path(__file__).with_name("ready_worker.py"))]
_LINE = Worker("line", _READY)
_WRITER = Worker("writer", _READY, needs_cassandra=True)
_ROW = "INSERT INTO progress (topic, partition, source) VALUES ('a', 1, 'b')"


@pytest.fixture
def own_settings(tmp_path: Path, jars_dir: Path) -> Settings:
    """Return settings of a stack of the test's own."""
    return Settings(data_dir=tmp_path / "data", jars_dir=jars_dir.absolute())


def test_cassandra_comes_after_the_line_and_keeps_port_and_data(own_settings: Settings) -> None:
    """The line is ready before; its writer starts with the schema there; a stop leaves nothing."""
    said: list[str] = []
    with Supervisor(own_settings, [_LINE, _WRITER], said.append) as supervisor:
        assert supervisor.wait_until_ready(line_alone=True)
        assert "cassandra: ready" not in said
        assert not supervisor.is_ready
        assert supervisor.wait_until_ready()
        names = [line.partition(":")[0] for line in said]
        order = ["kafka", "topics", "line", "cassandra", "schema of the archive", "writer"]
        assert names == order
        found = needing_cassandra(own_settings)
        assert found.cassandra_contact_points.startswith(f"{LOOPBACK}:")
        with open_session(found) as session:
            check_schema(session, migrations())
            session.execute(_ROW)
        # Every process of the stack is told where it is.
        environment = Path(f"/proc/{supervisor.processes['line'].pid}/environ").read_text()
        contact = f"COINTIDE_CASSANDRA_CONTACT_POINTS={found.cassandra_contact_points}"
        assert contact in environment.split("\0")
        pids = [process.pid for process in supervisor.processes.values()]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(StackError, match="expected a running stack with Cassandra"):
        needing_cassandra(own_settings)

    with Supervisor(own_settings, [_WRITER]) as supervisor:
        assert supervisor.wait_until_ready()
        assert needing_cassandra(own_settings) == found
        with open_session(found) as session:
            assert session.execute("SELECT topic FROM progress") == [("a",)]


def started(settings: Settings, cassandra: CassandraForTests) -> CassandraStart:
    """Bring the schema into a Cassandra that is not the stack's own."""

    def add(plan: ProcessPlan) -> SupervisedProcess:
        raise AssertionError(f"{plan.name} was started")

    start = CassandraStart(settings, None, add, cassandra.run_once)
    until(start.step, "the schema", cassandra.process.log_tail)
    return start


def test_a_cassandra_of_ones_own_is_used_and_not_started(
    cassandra_settings: Settings, cassandra: CassandraForTests
) -> None:
    """With contact points there is no node in the stack; the schema is made in that one."""
    assert started(cassandra_settings, cassandra).waiting_for == ""
    with open_session(cassandra_settings) as session:
        check_schema(session, migrations())


def test_a_schema_that_cannot_be_made_is_told(
    cassandra_settings: Settings, cassandra: CassandraForTests
) -> None:
    """With the end of its log, which says why."""
    # No quorum of nine is there, so that the lock cannot be had.
    many = {"cassandra_replication": {"datacenter1": 9}}
    settings = cassandra_settings.model_copy(update=many)
    with pytest.raises(StackError, match=r"status 1; the end of .*schema\.log") as told:
        started(settings, cassandra)
    assert "cointide: expected Cassandra at" in str(told.value)


def test_nobody_starts_cassandra_who_does_not_need_it(own_settings: Settings) -> None:
    """Neither a stack without its writer, nor one that is to do without."""
    counts = dict.fromkeys(AGENTS, 1)
    needing = {
        each.name for each in system_of(own_settings, "none", counts) if each.needs_cassandra
    }
    assert needing == {"archive-cassandra-0"}
    off = own_settings.model_copy(update={"cassandra": "off"})
    workers = system_of(off, "none", counts)
    assert not any(worker.needs_cassandra for worker in workers)
    assert {worker.name for worker in workers} >= {"archive-0", "gateway"}


def test_settings_of_another_cassandra_are_refused(own_settings: Settings) -> None:
    """Before anything is started."""
    settings = own_settings.model_copy(update={"cassandra_ssl": True})
    with (
        pytest.raises(SettingsError, match="CONTACT_POINTS with COINTIDE_CASSANDRA_SSL"),
        Supervisor(settings, [_WRITER]),
    ):
        raise AssertionError("it was started")
    assert read_state(settings.data_dir) is None
