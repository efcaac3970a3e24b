"""`GET /v1/catalog`."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.gateway.answers import answer, described
from services.gateway.catalog.service import catalog_of
from services.gateway.dependencies import ReadyGateway
from services.gateway.documentation import examples

router = APIRouter(tags=["catalog"])


@router.get("/v1/catalog", responses=described("Catalog", examples.CATALOG, "What there is."))
async def catalog(gateway: ReadyGateway) -> Response:
    """Exchanges, coins, markets, windows, channels, and whether the data are simulated."""
    return answer(catalog_of(gateway))
