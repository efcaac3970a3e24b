"""The broker goes away and comes back while data flow; the series stays what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.settings import Settings
from services.local.supervisor import Supervisor
from tests.integration.conftest import Stack
from tests.integration.line import COMMITTED_CAPTURES, Feed, Line, drive, is_reachable


@pytest.fixture
def own_stack(tmp_path: Path, jars_dir: Path) -> Iterator[Stack]:
    """Start a Kafka for this test alone: others would suffer."""
    settings = Settings(data_dir=tmp_path / "stack", jars_dir=jars_dir, namespace="outage")
    with Supervisor(settings) as supervisor:
        supervisor.wait_until_ready()
        yield Stack(
            settings.model_copy(update={"kafka_brokers": supervisor.brokers}),
            supervisor,
        )


def test_a_broker_that_is_stopped_and_killed_changes_nothing(own_stack: Stack) -> None:
    """What was produced meanwhile arrives after it, and every second of it is published."""
    with Line(own_stack.settings) as line:
        feed = Feed(own_stack.settings, COMMITTED_CAPTURES)
        worker = line.start_worker()
        line.wait_until_ready(worker)

        def interrupt(end: Callable[[], None], share: float) -> None:
            drive(line, feed, share)
            feed.send(share + 0.1, wait=False)
            end()
            assert not is_reachable(own_stack.brokers)
            feed.send(share + 0.2, wait=False)
            own_stack.start_kafka()
            feed.flush()
            drive(line, feed, share + 0.21)

        interrupt(own_stack.stop_kafka, 0.15)
        interrupt(own_stack.kill_kafka, 0.5)

        feed.send(1.0)
        line.wait_until_done()
        assert worker.is_alive(), line.tell()
        line.assert_series(COMMITTED_CAPTURES)
