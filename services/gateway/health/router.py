"""`/v1/live`, `/v1/ready`, `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.gateway.answers import answer, described
from services.gateway.dependencies import AnyGateway
from services.gateway.documentation.schemas import Live, Ready
from services.gateway.health.metrics import registry_of
from services.gateway.problems import NotReadyError

router = APIRouter(tags=["health"])


@router.get("/v1/live", responses=described("Live", {"live": True}, "The process runs."))
async def live() -> Response:
    """Whether the process runs."""
    return answer(Live(live=True))


@router.get(
    "/v1/ready",
    responses=described("Ready", {"ready": True, "degraded": []}, "Everything was read once."),
)
async def ready(gateway: AnyGateway) -> Response:
    """Whether every topic was read once to what was its end; 503 before that, and at the stop.

    What is asked for during a stop is still answered. `degraded` names `archive` while history
    cannot be read; all else goes on.
    """
    if not gateway.is_ready:
        raise NotReadyError(sorted(gateway.waiting_for))
    return answer(Ready(ready=True, degraded=["archive"] if gateway.reads.is_away else []))


@router.get("/metrics", response_class=Response)
async def metrics(gateway: AnyGateway) -> Response:
    """What the gateway counts, for Prometheus."""
    return Response(generate_latest(registry_of(gateway)), media_type=CONTENT_TYPE_LATEST)
