"""The broker goes away and comes back while data flow; the series stays what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException

from models.settings import Settings
from models.topics import SPREADS
from services.local.supervisor import Supervisor
from services.local.topics import create_topics
from tests.burst_log import MADE_CAPTURES
from tests.integration.conftest import Stack
from tests.integration.feed import Feed, drive
from tests.integration.gateway import GatewayProcess, StreamClient, send
from tests.integration.line import Line
from tests.unit.gateway.made import BTC, START, spreads


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Stack]:
    """Start a Kafka for this module alone: others would suffer.

    It has few topics, which a killed broker looks through one by one when it starts again.
    """
    data_dir = tmp_path_factory.mktemp("stack")
    settings = Settings(data_dir=data_dir, jars_dir=jars_dir, namespace="outage")
    with Supervisor(settings) as supervisor:
        supervisor.wait_until_ready()
        yield Stack(
            settings.model_copy(update={"kafka_brokers": supervisor.brokers}),
            supervisor,
        )


def test_a_broker_that_is_stopped_and_killed_changes_nothing(own_stack: Stack) -> None:
    """What was produced meanwhile arrives after it, and every second of it is published."""
    with Line(own_stack.settings) as line:
        feed = Feed(own_stack.settings, MADE_CAPTURES)
        worker = line.start_worker()
        line.wait_until_ready(worker)

        def interrupt(end: Callable[[], None], share: float) -> None:
            drive(line, feed, share)
            feed.send(share + 0.1, wait=False)
            end()
            assert not _is_reachable(own_stack.brokers)
            feed.send(share + 0.2, wait=False)
            own_stack.start_kafka()
            feed.flush()
            drive(line, feed, share + 0.21)

        interrupt(own_stack.stop_kafka, 0.15)
        interrupt(own_stack.kill_kafka, 0.5)

        feed.send(1.0)
        line.wait_until_done()
        assert worker.is_alive(), line.tell()
        line.assert_series(MADE_CAPTURES)


def test_a_lost_broker_is_got_over_by_a_gateway(own_stack: Stack, tmp_path: Path) -> None:
    """What is known is still answered; when the broker is back, the series goes on."""
    own = {"namespace": "gateway", "data_dir": tmp_path}
    settings = own_stack.settings.model_copy(update=own)
    create_topics(own_stack.brokers, settings)
    send(settings, SPREADS.name, [spreads(1).value])
    with GatewayProcess(settings) as gateway, StreamClient(gateway) as client:
        client.subscribe("spreads", BTC)
        assert client.next()["seq"] == START + 1
        own_stack.kill_kafka()
        assert gateway.get("/v1/spreads?limit=1")["data"]
        own_stack.start_kafka()
        send(settings, SPREADS.name, [spreads(second).value for second in (2, 3)])
        for second in (2, 3):
            update = client.next("status")
            assert (update["seq"], update["prev_seq"]) == (START + second, START + second - 1)


def _is_reachable(brokers: str) -> bool:
    """Return whether a broker answers."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "probe", "log_level": 0})
    try:
        return bool(consumer.list_topics(timeout=1.0).brokers)
    except KafkaException:
        return False
    finally:
        consumer.close()
