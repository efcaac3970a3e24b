"""The pages of an agent's worker: is it alive, is it ready, what does it count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def add_pages(
    app: Any, registry: CollectorRegistry, degraded: Callable[[], list[str]] = list
) -> None:
    """Add `/live`, `/ready` and `/metrics` to the app's web server.

    Ready means that the group has settled and the state of all owned partitions is rebuilt.
    `degraded` names what does not work at present, though the worker lives on.
    """

    @app.page("/live")  # type: ignore[untyped-decorator]
    async def live(page: Any, _request: Any) -> Any:
        return page.json({"live": True})

    @app.page("/ready")  # type: ignore[untyped-decorator]
    async def ready(page: Any, _request: Any) -> Any:
        settled = bool(app.tables.actives_ready) and not app.rebalancing
        return page.json({"ready": settled, "degraded": degraded()}, status=200 if settled else 503)

    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def exposition(page: Any, _request: Any) -> Any:
        return page.bytes(generate_latest(registry), content_type=CONTENT_TYPE_LATEST.split(";")[0])
