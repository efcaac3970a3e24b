"""The pages of an agent's worker: is it alive, is it ready, what does it count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest


def add_pages(
    app: Any, registry: CollectorRegistry, degraded: Callable[[], list[str]] = list
) -> None:
    """Add `/live`, `/ready` and `/metrics` to the app's web server.

    Ready means that the group has settled and the state of all owned partitions is rebuilt.
    `degraded` names what does not work at present, though the worker lives on.
    """
    lag = lag_gauge(registry)

    @app.page("/live")  # type: ignore[untyped-decorator]
    async def live(page: Any, _request: Any) -> Any:
        return page.json({"live": True})

    @app.page("/ready")  # type: ignore[untyped-decorator]
    async def ready(page: Any, _request: Any) -> Any:
        settled = bool(app.tables.actives_ready) and not app.rebalancing
        return page.json({"ready": settled, "degraded": degraded()}, status=200 if settled else 503)

    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def exposition(page: Any, _request: Any) -> Any:
        lag.clear()
        for tp, records in _lags(app).items():
            lag.labels(tp.topic, tp.partition).set(records)
        return page.bytes(generate_latest(registry), content_type=CONTENT_TYPE_LATEST.split(";")[0])


def lag_gauge(registry: CollectorRegistry) -> Gauge:
    """Return the gauge of how far a worker is behind, filled whenever it is asked for."""
    return Gauge(
        "cointide_lag_records",
        "Kafka records of an owned partition that were not taken yet",
        ["topic", "partition"],
        registry=registry,
    )


def _lags(app: Any) -> Mapping[Any, int]:
    consumer = app.consumer
    lags: dict[Any, int] = {}
    for tp in consumer.assignment():
        end, read = consumer.highwater(tp), consumer._read_offset.get(tp)
        # Neither is known before the first fetch; a changelog is only read to recover.
        if end is not None and read is not None and tp.topic not in app.tables.changelog_topics:
            lags[tp] = max(0, end - read - 1)
    return lags
