"""The Faust app of an agent: one composition root for every worker process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import mode.loop
import structlog
from mode.utils.logging import Severity

mode.loop.use("uvloop")

import faust  # noqa: E402
from faust.transport.drivers.aiokafka import Transport  # noqa: E402
from faust.types import TP  # noqa: E402

from agents.runtime.consumer import (  # noqa: E402
    BatchConsumer,
    BatchTransport,
    FetchSettings,
    RecordBatchSchema,
)
from agents.runtime.faults import FaultPoints  # noqa: E402
from agents.runtime.health import add_pages  # noqa: E402
from agents.runtime.metrics import WorkerMetrics  # noqa: E402
from agents.runtime.source import AgentDefinition  # noqa: E402
from agents.runtime.tables import StepTable  # noqa: E402
from agents.runtime.worker import TopicPartition, Worker  # noqa: E402
from models.settings import Settings  # noqa: E402
from models.topics import topic_name  # noqa: E402

_COMMIT_SECONDS = 0.5


class AgentApp(faust.App):
    """Faust's app with our transport."""

    fetch_settings: FetchSettings

    def _new_transport(self) -> Transport:
        return BatchTransport(self.conf.broker_consumer, self)


class FaustLog:
    """What a worker needs of Kafka, through Faust's producer and consumer."""

    def __init__(self, app: AgentApp, namespace: str) -> None:
        """Use the app's producer and consumer once they run."""
        self._app = app
        self._namespace = namespace

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        """Hand a record to the producer."""
        name = topic_name(topic, self._namespace)
        delivery = await self._app.producer.send(name, key, value, partition, None, None)
        return cast(Awaitable[object], delivery)

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit positions; of partitions no longer assigned nothing is committed."""
        # Past Faust's own commit, which knows only acknowledged messages.
        await cast(BatchConsumer, self._app.consumer)._commit(
            {self._tp(topic, partition): offset for (topic, partition), offset in positions.items()}
        )

    async def beginnings(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        """Return the first offsets that are still held."""
        wanted = {self._tp(*partition): partition for partition in partitions}
        if not wanted:
            return {}
        offsets = await self._app.consumer.earliest_offsets(*wanted)
        return {partition: offsets[tp] for tp, partition in wanted.items()}

    def _tp(self, topic: str, partition: int) -> TP:
        return TP(topic_name(topic, self._namespace), partition)


def build_app(settings: Settings, definition: AgentDefinition, brokers: str) -> AgentApp:
    """Return the app of one worker of an agent, ready to run."""
    name = topic_name(definition.name, settings.namespace)
    app = AgentApp(name, **_faust_settings(settings, definition, brokers))
    app.fetch_settings = FetchSettings(settings.fetch_wait_ms, settings.fetch_min_bytes)
    metrics = WorkerMetrics(definition.name)

    async def recovered(active: set[TP]) -> None:
        await worker.open({tp.partition for tp in active}, table.mirror)

    table = StepTable(
        app,
        name="panes",
        partitions=settings.partitions,
        on_recovered=recovered,
        beacon=app.tables.beacon,
    )
    app.tables.add(table)
    worker = Worker(
        definition,
        settings.exchanges,
        f"{definition.name}-{table.name}-changelog",
        FaustLog(app, settings.namespace),
        table.remember,
        metrics,
        FaultPoints(settings.fault_point),
    )
    _wire(app, worker, definition, settings)
    add_pages(app, metrics)
    return app


def _wire(app: AgentApp, worker: Worker, definition: AgentDefinition, settings: Settings) -> None:
    topics = {
        topic_name(each.topic(exchange), settings.namespace): each.topic(exchange)
        for exchange in settings.exchanges
        for each in definition.inputs
    }

    @app.agent(app.topic(*topics, schema=RecordBatchSchema(), acks=False), name=definition.name)
    async def take(batches: Any) -> None:
        try:
            async for batch in batches:
                worker.take(topics[batch.topic], batch)
                await worker.room()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - Faust would skip the record
            await app.crash(error)

    @app.task  # type: ignore[untyped-decorator]
    async def close_seconds() -> None:
        try:
            await worker.run(lambda: app.should_stop)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a worker that closes nothing must not stay
            await app.crash(error)

    @app.timer(interval=_COMMIT_SECONDS)  # type: ignore[untyped-decorator]
    async def commit() -> None:
        await worker.commit()

    async def stop_taking(*_: Any, **__: Any) -> None:
        await worker.close()

    # The second signal because the first is not sent on SIGTERM.
    app.on_partitions_revoked.connect(stop_taking, weak=False)
    app.on_before_shutdown.connect(stop_taking, weak=False)


def _faust_settings(
    settings: Settings, definition: AgentDefinition, brokers: str
) -> dict[str, Any]:
    data_folder = Path(settings.data_dir) / "faust" / definition.name
    data_folder.mkdir(parents=True, exist_ok=True)
    instance = settings.instance or None
    return {
        "broker": [f"kafka://{broker}" for broker in brokers.split(",")],
        "datadir": str(data_folder),
        "store": "memory://",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": settings.partitions,
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.session_timeout_s / 5,
        "broker_request_timeout": max(90.0, settings.session_timeout_s * 2),
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": instance,
        "consumer_max_fetch_size": 4 * 1024 * 1024,
        "producer_acks": -1,
        "producer_linger": 0.0,
        "producer_max_request_size": 8 * 1024 * 1024,
        "producer_compression_type": "lz4",
        "producer_request_timeout": 60.0,
        "stream_recovery_delay": 0.5,
        "stream_buffer_maxsize": 64,
        "stream_wait_empty": False,
        "web_enabled": settings.agent_port > 0,
        "web_bind": settings.agent_host,
        "web_host": settings.agent_host,
        "web_port": settings.agent_port or 6066,
        "web_tables_enabled": False,
    }


def run_worker(app: AgentApp, log_level: str) -> None:
    """Run a worker until SIGTERM, SIGINT or a crash; exits the process."""
    severity: Severity = log_level.upper()
    structlog.get_logger().info("starting", agent=app.conf.id)
    worker = faust.Worker(app, loglevel=severity, redirect_stdouts=False, quiet=True)
    sys.exit(worker.execute_from_commandline())
