"""An archive in a folder and a gateway that reads it, without Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.chunks import ArchivedRecord
from models.archive.rendering import render
from models.partition import partition_of
from models.settings import Settings
from services.gateway.gateway import Gateway
from services.gateway.history.places import GatewayHistory
from services.history.parquet import ParquetHistory
from services.history.recorded import RecordedHistory
from services.history.series import History
from services.history.ticks import TickHistory
from tests.unit.archive.made import chunks_of
from tests.unit.gateway.calls import Caller, served
from tests.unit.gateway.made import Clock, Desk, Schedule

PARTITIONS = Settings().partitions
COIN_PARTITION = partition_of("BTC", PARTITIONS)


def archive(
    store: Store,
    topic: str,
    records: Sequence[ArchivedRecord],
    seconds: int = 60,
    partition: int = COIN_PARTITION,
) -> None:
    """Archive records as the agent does."""
    manifest = Manifest(store)
    for chunk in chunks_of(topic, partition, records, seconds):
        rendered = render(chunk)
        manifest.write_files(rendered)
        manifest.write_entry(rendered.entry)


def records_of(
    values: Iterable[bytes], first: int = 0, every_ms: int = 1_000
) -> list[ArchivedRecord]:
    """Return records, so many milliseconds apart."""
    return [
        ArchivedRecord(offset, 1_700_000_000_000 + offset * every_ms, b"key", value)
        for offset, value in enumerate(values, first)
    ]


def history_in(store: Store) -> GatewayHistory:
    """Return the places of history in a store, without a log."""
    archived = ParquetHistory(store, PARTITIONS)
    return GatewayHistory(
        History(RecordedHistory(archived, None)), TickHistory(store, None, PARTITIONS), store
    )


class HistoryDesk(Desk):
    """A gateway in memory, with an archive."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.clock = Clock()
        self.schedule = Schedule()
        self.settings = Settings(gateway_queue=16, **settings)
        self.gateway = Gateway(
            self.settings, self.clock, self.schedule, ["spreads"], history=history_in(store)
        )
        self.finish()

    def caller(self) -> Caller:
        """Return a caller of its app."""
        return served(self)
