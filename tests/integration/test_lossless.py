"""No tick is lost or doubled between the exchanges' sockets and the tick topics.

The simulator writes down every tick that a socket took. `make soak` runs this for ten minutes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from models.settings import Settings
from services.local.ports import choose_port
from services.local.workers import answers_ready
from services.simulator.urls import simulated_urls
from tests.integration.line import cointide, until
from tests.integration.processes import Processes, owned, processes
from tests.integration.sent_ticks import compare, sent_ticks, topic_ticks

SECONDS = float(os.environ.get("COINTIDE_SOAK_SECONDS", "36"))
RATE = os.environ.get("COINTIDE_SOAK_RATE", "1000")


def run_for(end: float, running: Processes) -> None:
    """Let ticks flow until `end`; it is how many of them are compared that this decides."""
    until(lambda: time.monotonic() > end, "the time to pass", running.tell, SECONDS + 60)


@pytest.mark.timeout(SECONDS + 300)
def test_every_tick_is_in_the_topics_once_or_declared_unseen(
    namespaced: Settings, create_topics_for: Callable[[Settings], Any]
) -> None:
    """Two workers of ingestion; one is killed after a third of the time and started again."""
    port = choose_port("simulator", 0, None, ())
    settings = namespaced.model_copy(
        update={"simulator_port": port, "session_timeout_s": 6.0, **simulated_urls(port)}
    )
    create_topics_for(settings)
    sent = settings.data_dir / "sent.jsonl"
    ports = [choose_port("worker", 0, None, ()) for _ in range(2)]
    with processes(settings) as running:
        running.start("simulator", ["simulator", "--log", str(sent), "--rate", RATE], settings)
        running.until(lambda: answers_ready(port), "the simulator to be ready")
        assert cointide(settings, "markets", "sync").returncode == 0

        def start_worker(number: int) -> None:
            own = settings.model_copy(update={"agent_port": ports[number]})
            running.start(f"ingestion-{number}", ["agent", "ingestion"], own)

        for number in range(2):
            start_worker(number)
        running.until(lambda: all(owned(each) == 2 for each in ports), "both to own two partitions")
        begin = time.monotonic()
        run_for(begin + SECONDS / 3, running)
        running.end("ingestion-0", signal.SIGKILL)
        running.until(lambda: owned(ports[1]) == 4, "the other to own everything")
        start_worker(0)
        running.until(lambda: all(owned(each) == 2 for each in ports), "both to own two again")
        run_for(begin + SECONDS, running)
        # The sender first, so that what it wrote down can still arrive.
        running.end("simulator", signal.SIGTERM)
        for number in range(2):
            running.end(f"ingestion-{number}", signal.SIGTERM)
    compare(sent_ticks(sent), *topic_ticks(settings))
