"""Nothing is lost, doubled or changed between the exchanges' sockets and the archives.

The simulator writes down every tick that a socket took; the tick topics, Parquet and Cassandra are
held to it and to each other. `make soak` runs this for ten minutes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from agents.archive.cassandra.schema import apply_schema, migrations
from agents.archive.cassandra.session import open_session
from models.settings import Settings
from models.times import iso_seconds
from services.local.ports import choose_port
from services.local.workers import answers_ready
from services.simulator.urls import simulated_urls
from tests.integration.agent_worker import owned_partitions
from tests.integration.agreement import (
    are_archived,
    clocks_of,
    figures_to_come,
    rows_agree,
    ticks_agree,
)
from tests.integration.cassandra_node import CassandraForTests
from tests.integration.commands import cointide
from tests.integration.processes import Processes, processes
from tests.integration.sent_ticks import compare, sent_ticks, topic_ticks
from tests.integration.waiting import until

SECONDS = float(os.environ.get("COINTIDE_SOAK_SECONDS", "36"))
RATE = os.environ.get("COINTIDE_SOAK_RATE", "1000")
CHUNK_S = 20
_FLOW_S = 5.0
FIGURES = ("spread", "bars", "archive", "archive-cassandra")
WRITERS = ("archive", "archive-cassandra")


def run_for(end: float, running: Processes) -> None:
    """Let ticks flow until `end`; it is how many of them are compared that this decides."""
    until(lambda: time.monotonic() > end, "the time to pass", running.tell, SECONDS + 60)


class Chain:
    """The processes from the simulator to the archives, and their ports."""

    def __init__(self, running: Processes, settings: Settings, log: str) -> None:
        """Start the simulator; then `start` what else there is."""
        self.running = running
        self.settings = settings
        self.simulator_port = settings.simulator_port
        self.ports: dict[str, int] = {}
        running.start("simulator", ["simulator", "--log", log, "--rate", RATE], settings)
        running.until(lambda: answers_ready(self.simulator_port), "the simulator to be ready")
        assert cointide(settings, "markets", "sync").returncode == 0

    def start(self, name: str, agent: str) -> None:
        """Start a worker of an agent; it keeps its port."""
        port = self.ports.setdefault(name, choose_port(name, 0, None, ()))
        own = self.settings.model_copy(update={"agent_port": port})
        self.running.start(name, ["agent", agent], own)

    def until_ingesting(self, **partitions: int) -> None:
        """Wait until workers of ingestion own so many partitions each."""
        wanted = {name.replace("_", "-"): count for name, count in partitions.items()}
        self.running.until(
            lambda: all(
                owned_partitions(self.ports[name], "ingestion") == count
                for name, count in wanted.items()
            ),
            f"ingestion to own {wanted}",
        )

    def until_archived(self) -> None:
        """Wait until every figure of what is in the topics is out, and all of it archived."""
        clocks = clocks_of(self.settings)
        until(
            lambda: not figures_to_come(self.settings, clocks),
            "every figure",
            lambda: f"{figures_to_come(self.settings, clocks)}\n{self.running.tell()}",
        )
        self.running.until(
            lambda: are_archived(self.settings, WRITERS), "everything to be archived"
        )


@pytest.mark.timeout(SECONDS * 2 + 600)
def test_every_tick_and_every_row_is_everywhere_once_or_declared_unseen(
    namespaced: Settings,
    cassandra: CassandraForTests,
    create_topics_for: Callable[[Settings], Any],
) -> None:
    """A worker of ingestion, both writers of the archive and Cassandra itself are killed.

    Another worker of ingestion stands still beyond its session and goes on.
    """
    port = choose_port("simulator", 0, None, ())
    settings = namespaced.model_copy(
        update={
            "simulator_port": port,
            "session_timeout_s": 6.0,
            "archive_chunk_s": CHUNK_S,
            "archive_idle_s": 1.0,
            **cassandra.contact,
            **simulated_urls(port),
        }
    )
    create_topics_for(settings)
    with open_session(settings, keyspace="") as session:
        apply_schema(session, settings, migrations())
    sent = settings.data_dir / "sent.jsonl"
    with processes(settings) as running:
        chain = Chain(running, settings, str(sent))
        for name in FIGURES:
            chain.start(name, name)
        for name in ("ingestion-0", "ingestion-1"):
            chain.start(name, "ingestion")
        chain.until_ingesting(ingestion_0=2, ingestion_1=2)
        began = int(time.time())
        begin = time.monotonic()
        run_for(begin + SECONDS / 3, running)
        killed = time.time_ns()
        running.end("ingestion-0", signal.SIGKILL)
        for name in WRITERS:
            running.end(name, signal.SIGKILL)
            chain.start(name, name)
        chain.until_ingesting(ingestion_1=4)
        chain.start("ingestion-0", "ingestion")
        chain.until_ingesting(ingestion_0=2, ingestion_1=2)
        run_for(begin + SECONDS * 2 / 3, running)
        cassandra.kill()
        cassandra.start()
        # Taken for dead and back again: for a while somebody else wrote its partitions.
        running.signal("ingestion-1", signal.SIGSTOP)
        chain.until_ingesting(ingestion_0=4)
        running.signal("ingestion-1", signal.SIGCONT)
        chain.until_ingesting(ingestion_0=2, ingestion_1=2)
        run_for(max(begin + SECONDS, time.monotonic() + _FLOW_S), running)
        # The sender first, so that what it wrote down can still arrive.
        for name in ("simulator", "ingestion-0", "ingestion-1"):
            running.end(name, signal.SIGTERM)
        chain.until_archived()
    compare(sent_ticks(sent), topic_ticks(settings), killed)
    print(f"{ticks_agree(settings)} ticks in Kafka and in Parquet")
    print(f"{rows_agree(settings)} rows in Kafka, in Parquet and in Cassandra")
    window = ["--start", iso_seconds(began - 3_600), "--end", iso_seconds(int(time.time()))]
    audited = cointide(settings, "audit", *window, limit_s=SECONDS + 300)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    print(audited.stdout)
