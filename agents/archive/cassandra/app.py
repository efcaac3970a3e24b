"""The composition root of the agent that writes the archive to Cassandra."""

from __future__ import annotations

from agents.archive.cassandra.access import contact_points
from agents.archive.cassandra.metrics import AGENT, CassandraMetrics
from agents.archive.cassandra.store import SeriesStore
from agents.archive.cassandra.worker import CassandraWorker
from agents.archive.store_app import run_store_worker
from agents.runtime.app import FaustLog
from agents.runtime.tables import StepTable
from models.archive.series_cutters import CUTTERS
from models.errors import SettingsError
from models.settings import Settings


def main(settings: Settings, brokers: str) -> None:
    """Run one worker of the agent; returns only by exiting the process.

    Raises:
        SettingsError: Cassandra is switched off, or its contact points are none.
    """
    if settings.cassandra == "off":
        raise SettingsError("expected COINTIDE_CASSANDRA to be on, was off")
    contact_points(settings.cassandra_contact_points)
    metrics = CassandraMetrics()
    store = SeriesStore(settings)

    def make(log: FaustLog, _table: StepTable) -> CassandraWorker:
        return CassandraWorker(settings, list(CUTTERS), log, store, log.end_offset, metrics)

    run_store_worker(settings, AGENT, list(CUTTERS), brokers, metrics, make)
