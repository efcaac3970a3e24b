"""Explanations from a real log, and from an archive that a worker is writing."""

from __future__ import annotations

from confluent_kafka import Producer

from agents.archive.store import open_store
from models.archive.derived_tables import derived_rows, derived_table
from models.archive.rendering import archived_topics
from models.settings import Settings
from models.topics import topic_name
from services.gateway.explain.explanation import explanation
from services.gateway.explain.past import MarketPasts
from tests.integration.line import Line
from tests.unit.archive.audited import story

_SECOND = 1_000_000_000


def _produce(settings: Settings) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_brokers, "linger.ms": 5})
    for (topic, partition), values in story().items():
        for value in values:
            name = topic_name(topic, settings.namespace)
            producer.produce(name, value, b"key", partition=partition)
    assert producer.flush(60) == 0


def test_a_row_is_explained_from_the_log_until_it_is_archived(namespaced: Settings) -> None:
    """The same figures before and after; `held_in` says where the ticks were read."""
    settings = namespaced.model_copy(
        update={"source": "none", "archive_chunk_s": 30, "archive_idle_s": 1.0}
    )
    ((_, values),) = [each for each in story().items() if each[0][0] == "spreads"]
    row = derived_table("spreads", [derived_rows("spreads", 600, values[600])]).to_pylist()[0]
    at = round(row["as_of"].timestamp()) * _SECOND
    with Line(settings, "archive", archived_topics(settings.exchanges)) as line:
        _produce(settings)
        for place in ("log", "archive"):
            pasts = MarketPasts(open_store(settings), settings.kafka_brokers, settings)
            held = pasts.of(row["market"], at)
            past = held.past()
            assert past is not None
            found = explanation(held, past, row, at, "5m", 100)
            assert found.agrees, found.figures
            assert found.held_in == [place]
            assert found.not_held == []
            if place == "log":
                line.start_worker(instance="archive-0")
                line.wait_until_done()
