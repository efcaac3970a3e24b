"""The Faust app of an agent: one composition root for every worker process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import mode.loop
import structlog
from aiokafka.errors import IllegalStateError

mode.loop.use("uvloop")

import faust  # noqa: E402
from faust.transport.drivers.aiokafka import Transport  # noqa: E402
from faust.types import TP  # noqa: E402

from agents.runtime.assignor import EvenAssignor  # noqa: E402
from agents.runtime.consumer import (  # noqa: E402
    BatchConsumer,
    BatchTransport,
    FetchSettings,
    RecordBatch,
    RecordBatchSchema,
)
from agents.runtime.credentials import broker_credentials  # noqa: E402
from agents.runtime.faults import FaultPoints  # noqa: E402
from agents.runtime.health import add_pages  # noqa: E402
from agents.runtime.logs import configure_logs  # noqa: E402
from agents.runtime.metrics import WorkerMetrics  # noqa: E402
from agents.runtime.source import AgentDefinition  # noqa: E402
from agents.runtime.standstill import PULSE_S, Standstill  # noqa: E402
from agents.runtime.steps import Step  # noqa: E402
from agents.runtime.tables import STEP_TABLE, StepTable, changelog_topic  # noqa: E402
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
        self._generation = -1
        self.standstill: Standstill | None = None

    def guard(self, session_s: float) -> None:
        """Send nothing once the partitions of the last assignment may be another's."""
        self.standstill = Standstill(session_s / 2, self._is_member)

    def assigned(self) -> None:
        """Remember as which member the partitions were assigned."""
        self._generation = self._app.consumer_generation_id
        if self.standstill is not None:
            self.standstill.assigned()

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        """Hand a record to the producer.

        Raises:
            FormerOwnerError: others may own the partitions by now.
        """
        if self.standstill is not None:
            await self.standstill.check()
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

    def end_offset(self, topic: str, partition: int) -> int | None:
        """Return the end of what Kafka holds, None where that is not known yet."""
        return cast("int | None", self._app.consumer.highwater(self._tp(topic, partition)))

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read on at an offset; of a partition no longer assigned nothing is read."""
        with contextlib.suppress(IllegalStateError):
            # In the thread of the consumer, unlike Faust's `seek`.
            await self._app.consumer.seek_wait({self._tp(topic, partition): offset})

    async def _is_member(self) -> bool:
        return await cast(BatchConsumer, self._app.consumer).is_member(self._generation)

    def _tp(self, topic: str, partition: int) -> TP:
        return TP(topic_name(topic, self._namespace), partition)


class AgentWorker(Protocol):
    """What one process of an agent does, apart from Faust. Topics are without their namespace."""

    async def open(
        self, partitions: Iterable[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> None:
        """Own these partitions from now on; commit where Faust is to read them from."""
        ...

    def take(self, topic: str, batch: RecordBatch) -> None:
        """Take the records of one fetch."""
        ...

    async def room(self) -> None:
        """Wait until more can be taken."""
        ...

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Work until told to stop."""
        ...

    async def commit(self) -> None:
        """Commit what can be committed."""
        ...

    async def revoked(self) -> None:
        """All partitions are taken away, perhaps to be given back at once."""
        ...

    async def close(self) -> None:
        """The process ends."""
        ...


MakeWorker = Callable[[AgentApp, FaustLog, StepTable], AgentWorker]


def agent_app(
    settings: Settings,
    name: str,
    topics: Iterable[str],
    brokers: str,
    make_worker: MakeWorker,
    *,
    decides: bool = False,
) -> AgentApp:
    """Return the app of one worker of the agent `name`, which reads `topics`, ready to run.

    One that `decides` what is in no log sends nothing while others may own its partitions.
    """
    app = AgentApp(topic_name(name, settings.namespace), **_faust_settings(settings, name, brokers))
    app.fetch_settings = FetchSettings(settings.fetch_wait_ms, settings.fetch_min_bytes)

    async def recovered(active: set[TP]) -> None:
        log.assigned()
        await worker.open({tp.partition for tp in active}, table.mirror)

    table = StepTable(
        app,
        name=STEP_TABLE,
        partitions=settings.partitions,
        on_recovered=recovered,
        beacon=app.tables.beacon,
    )
    app.tables.add(table)
    log = FaustLog(app, settings.namespace)
    if decides:
        log.guard(settings.session_timeout_s)
        _keep_turning(app, log)
    worker = make_worker(app, log, table)
    _wire(app, worker, {topic_name(topic, settings.namespace): topic for topic in topics}, name)
    return app


def build_app(settings: Settings, definition: AgentDefinition, brokers: str) -> AgentApp:
    """Return the app of one worker of an agent that closes seconds of tick topics."""
    metrics = WorkerMetrics(definition.name)

    def make_worker(_app: AgentApp, log: FaustLog, table: StepTable) -> Worker:
        return Worker(
            definition,
            settings.exchanges,
            changelog_topic(definition.name),
            log,
            table.remember,
            metrics,
            FaultPoints(settings.fault_point),
            settings.partitions,
        )

    topics = [each.topic(exchange) for exchange in settings.exchanges for each in definition.inputs]
    app = agent_app(settings, definition.name, topics, brokers, make_worker)
    add_pages(app, metrics.registry)
    return app


def _wire(app: AgentApp, worker: AgentWorker, topics: Mapping[str, str], name: str) -> None:
    @app.agent(app.topic(*topics, schema=RecordBatchSchema(), acks=False), name=name)
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
    async def work() -> None:
        try:
            await worker.run(lambda: app.should_stop)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a worker that does nothing must not stay
            await app.crash(error)

    @app.timer(interval=_COMMIT_SECONDS)  # type: ignore[untyped-decorator]
    async def commit() -> None:
        await worker.commit()

    async def revoked(*_: Any, **__: Any) -> None:
        await worker.revoked()

    async def stopping(*_: Any, **__: Any) -> None:
        await worker.close()

    # The second signal because the first is not sent on SIGTERM.
    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_before_shutdown.connect(stopping, weak=False)


def _keep_turning(app: AgentApp, log: FaustLog) -> None:
    @app.task  # type: ignore[untyped-decorator]
    async def turn() -> None:
        while log.standstill is not None and not app.should_stop:
            log.standstill.turn()
            await asyncio.sleep(PULSE_S)


def _faust_settings(settings: Settings, name: str, brokers: str) -> dict[str, Any]:
    data_folder = Path(settings.data_dir) / "faust" / name
    data_folder.mkdir(parents=True, exist_ok=True)
    instance = settings.instance or None
    return {
        "broker": [f"kafka://{broker}" for broker in brokers.split(",")],
        "broker_credentials": broker_credentials(settings),
        "datadir": str(data_folder),
        "store": "memory://",
        # Faust reads a changelog from its beginning even where a standby has read it.
        "table_standby_replicas": 0,
        "PartitionAssignor": EvenAssignor,
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
        # A static instance that comes back on another port is still the same member.
        **({"canonical_url": f"http://{instance}"} if instance else {}),
        "stream_recovery_delay": 0.5,
        "stream_buffer_maxsize": 64,
        "stream_wait_empty": False,
        "web_enabled": settings.agent_port > 0,
        "web_bind": settings.agent_host,
        "web_host": settings.agent_host,
        "web_port": settings.agent_port or 6066,
        "web_tables_enabled": False,
    }


def run_worker(app: AgentApp, settings: Settings) -> None:
    """Run a worker until SIGTERM, SIGINT or a crash; exits the process."""
    configure_logs(settings)
    structlog.get_logger().info("starting", agent=app.conf.id)
    # Its own logging is text alone.
    worker = faust.Worker(app, override_logging=False, redirect_stdouts=False, quiet=True)
    # It moves the cursor also where there is none.
    worker.spinner = None
    sys.exit(worker.execute_from_commandline())
