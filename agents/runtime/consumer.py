"""Faust's consumer, handing over the records of a fetch as one event.

Faust runs a chain of coroutines for every record (some 80 µs of CPU at best). Our records are
packed, so what counts is the cost of a record; here the records that one fetch brought of one
partition travel through Faust together, as one `RecordBatch`. Changelogs are recovered record by
record, as Faust expects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord
from faust.serializers.schemas import Schema
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, ConsumerMessage
from faust.types.transports import ConsumerT
from mode.types.services import ServiceT

_HEARTBEAT_AGAIN_S = 0.2


class RecordBatch(msgspec.Struct, frozen=True):
    """Records of one topic partition, in offset order."""

    topic: str
    partition: int
    records: Sequence[ConsumerRecord[bytes | None, bytes | None]]


class FetchSettings(msgspec.Struct, frozen=True):
    """How a fetch waits: at most `wait_ms`, less when `min_bytes` have gathered."""

    wait_ms: int
    min_bytes: int


class HasFetchSettings(Protocol):
    """An app that says how its consumer fetches."""

    fetch_settings: FetchSettings


class RecordBatchSchema(Schema[Any, Any]):
    """Hands the value of a message on as it is: it is a `RecordBatch` already."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return no key; every record of the batch has its own."""
        return None

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the batch."""
        return message.value


class _BatchConsumerThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Transport) -> AIOKafkaConsumer[Any, Any]:
        consumer = super()._create_worker_consumer(transport)
        fetch = cast(HasFetchSettings, self.app).fetch_settings
        # Faust fixes 1500 ms and 1 byte; both are read when the consumer starts.
        consumer._fetch_max_wait_ms = fetch.wait_ms
        consumer._fetch_min_bytes = fetch.min_bytes
        return cast("AIOKafkaConsumer[Any, Any]", consumer)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return cast(Mapping[TP, int], await self.call_thread(self._seek_to_committed))

    async def _seek_to_committed(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        committed = await consumer.seek_to_committed()
        for tp, offset in committed.items():
            # aiokafka does not go back to the very first record: it takes 0 for none, and where
            # nothing is committed it stays behind what it has fetched, which may have been dropped.
            if offset == 0:
                consumer.seek(tp, 0)
            elif offset is None and not cast(BatchConsumer, self.consumer)._is_changelog_tp(tp):
                await consumer.seek_to_beginning(tp)
        return cast(Mapping[TP, int], committed)

    async def is_member(self, generation: int) -> bool:
        """Return whether the group still counts this consumer in, in this generation."""
        return bool(await self.call_thread(self._is_member, generation))

    async def _is_member(self, generation: int) -> bool:
        coordinator = self._ensure_consumer()._coordinator
        # A heartbeat that is refused resets the generation; one without an answer tells nothing.
        while coordinator.generation == generation:
            if await coordinator._do_heartbeat():
                return bool(coordinator.generation == generation)
            await asyncio.sleep(_HEARTBEAT_AGAIN_S)
        return False


class BatchConsumer(Consumer):
    """Faust's aiokafka consumer with one event for the records of a fetch and partition."""

    def _new_consumer_thread(self) -> _BatchConsumerThread:
        return _BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def is_member(self, generation: int) -> bool:
        """Return whether the group still counts this consumer in, in this generation."""
        return await cast(_BatchConsumerThread, self._thread).is_member(generation)

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand over what was fetched until the consumer or the fetcher stops."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._drain_once()
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    async def _drain_once(self) -> None:
        if not self.flow_active:
            # The wait for records begins with this wait, in which a rebalance goes by.
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        # A fetch that was asked for before a rebalance may bring what was sought past since.
        generation = self.app.consumer_generation_id
        records, active = await self._wait_next_records(1.0)
        if not records or self.should_stop:
            await self.sleep(0)
            return
        if not self.flow_active:
            # Fetched while a rebalance began: read again from where the partitions are committed.
            await self.perform_seek()
            return
        for tp, batch in records.items():
            for message in self._messages(tp, batch):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                if active is None or tp in active or tp in self._buffered_partitions:
                    await self.wait_first(self.callback(message), self.suspend_flow.wait())
                    self._read_offset[tp] = message.offset
            await self.sleep(0)

    def _messages(self, tp: TP, records: list[Any]) -> list[ConsumerMessage]:
        if self._is_changelog_tp(tp):
            return [self._to_message(tp, record) for record in records]
        message = self._to_message(tp, records[-1])
        # Our schema hands the value on as it is, so it need not be bytes.
        message.value = cast(bytes, RecordBatch(tp.topic, tp.partition, records))
        return [message]


class BatchTransport(Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer: ClassVar[type[ConsumerT]] = BatchConsumer
