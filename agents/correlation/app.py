"""The correlation agent's composition root."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from agents.correlation.metrics import CorrelationMetrics
from agents.correlation.table import RowSettings
from agents.correlation.tables import TableDefinition, table_definitions
from agents.correlation.worker import CorrelationWorker
from agents.runtime.app import AgentApp, FaustLog, agent_app, run_worker
from agents.runtime.faults import FaultPoints
from agents.runtime.health import add_pages
from agents.runtime.tables import StepTable
from agents.runtime.topic_reader import read_topics
from models.records.reference import decode_coin
from models.settings import Settings
from models.topics import CANDLES, CLOSES, COINS, topic_name


def main(settings: Settings, brokers: str) -> None:
    """Run one worker of the correlation agent; returns only by exiting the process.

    Raises:
        SettingsError: a table is none.
    """
    metrics = CorrelationMetrics()
    by_partition: dict[int, list[TableDefinition]] = {}
    for table in table_definitions(settings.correlation_tables, settings.correlation_many_coins):
        by_partition.setdefault(table.partition(settings.partitions), []).append(table)

    def make_worker(_app: AgentApp, log: FaustLog, table: StepTable) -> CorrelationWorker:
        return CorrelationWorker(
            by_partition,
            RowSettings(settings.correlation_limit_s, settings.reference_currencies),
            log,
            table.remember,
            lambda: market_values(brokers, settings),
            log.end_offset,
            metrics,
            FaultPoints(settings.fault_point),
        )

    topics = [CLOSES.name, CANDLES.name]
    app = agent_app(settings, "correlation", topics, brokers, make_worker, decides=True)
    add_pages(app, metrics.registry)
    run_worker(app, settings)


def market_values(brokers: str, settings: Settings) -> Mapping[str, float]:
    """Return what each coin is worth, from the topic `coins`; it blocks.

    Raises:
        TransportError: Kafka does not answer, or the topic is not there.
    """
    values: dict[str, float] = {}
    for record in read_topics(brokers, settings, [topic_name(COINS.name, settings.namespace)]):
        key = (record.key or b"").decode("utf-8", "replace")
        values.pop(key, None)
        try:
            value = None if record.value is None else decode_coin(record.value).market_value
        except msgspec.DecodeError:
            continue
        if value is not None:
            values[key] = value
    return values
