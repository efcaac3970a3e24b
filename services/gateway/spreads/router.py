"""`GET /v1/spreads` and one market's."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.gateway.answers import answer, described
from services.gateway.dependencies import Page, ReadyGateway
from services.gateway.documentation import examples
from services.gateway.filters import ChosenMarkets, known_market
from services.gateway.lists import page_of
from services.gateway.spreads.service import spread_figures

router = APIRouter(tags=["spreads"])


@router.get(
    "/v1/spreads", responses=described("SpreadList", examples.page_of(examples.SPREAD), "Spreads.")
)
async def spreads(gateway: ReadyGateway, chosen: ChosenMarkets, page: Page) -> Response:
    """The newest spread figures of every market, by name."""
    memory = gateway.memory
    return answer(page_of(chosen, page, lambda market: spread_figures(memory, market)))


@router.get(
    "/v1/spreads/{exchange}/{pair}", responses=described("Spread", examples.SPREAD, "The spread.")
)
async def spread(gateway: ReadyGateway, exchange: str, pair: str) -> Response:
    """The newest spread figures of one market, as `kraken/BTC-USD`."""
    return answer(spread_figures(gateway.memory, known_market(gateway.memory, exchange, pair)))
