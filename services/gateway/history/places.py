"""The places of history that a gateway reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from agents.archive.archived_before import ArchivedBefore
from agents.archive.store import Store, open_store
from models.errors import StoreError
from models.records.correlations import CorrelationBlock
from models.settings import Settings
from services.backfill.reader import BackfillReader
from services.gateway.explain.past import MarketPasts
from services.history.cassandra import CassandraHistory
from services.history.log import KafkaLog
from services.history.parquet import ParquetHistory
from services.history.recorded import RecordedHistory
from services.history.series import History
from services.history.ticks import TickHistory

KeptMatrices = Callable[[str, int, int], Iterator[list[CorrelationBlock]]]
"""Given a table and `[start, end)` (ns): yields the last matrix of every minute. It blocks."""


class GatewayHistory(msgspec.Struct, frozen=True):
    """The series, the ticks, the store that they are archived in, and what explains a row.

    `matrices` is None where nobody keeps any.
    """

    series: History
    ticks: TickHistory
    store: Store
    pasts: MarketPasts | None = None
    matrices: KeptMatrices | None = None

    def look(self) -> None:
        """See whether the archive can be read; it blocks.

        Raises:
            StoreError: it cannot, or is gone.
        """
        try:
            self.store.look()
        except OSError as error:
            raise StoreError(f"expected to list the archive, but {error}") from error


def open_history(settings: Settings, brokers: str) -> GatewayHistory:
    """Return the places that the settings name. Nothing is reached yet.

    Raises:
        SettingsError: `archive_url` is no address.
    """
    store = open_store(settings, ArchivedBefore(brokers, settings))
    log = KafkaLog(brokers, settings)
    archive = ParquetHistory(store, settings.partitions)
    # Cassandra is the fast place; without one, or while it is away, the others do.
    has_cassandra = settings.cassandra == "on" and settings.cassandra_contact_points
    places = [CassandraHistory(settings)] if has_cassandra else []
    return GatewayHistory(
        History(RecordedHistory(archive, log), places, backfill=BackfillReader(store)),
        TickHistory(store, log, settings.partitions),
        store,
        MarketPasts(store, brokers, settings),
        places[0].matrices if places else None,
    )
