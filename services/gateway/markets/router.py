"""`GET /v1/markets` and one market."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.gateway.answers import answer, described
from services.gateway.dependencies import Page, ReadyGateway
from services.gateway.documentation import examples
from services.gateway.filters import ChosenMarkets, known_market
from services.gateway.lists import page_of
from services.gateway.markets.service import market_figures

router = APIRouter(tags=["markets"])


@router.get(
    "/v1/markets", responses=described("MarketList", examples.page_of(examples.MARKET), "Markets.")
)
async def markets(gateway: ReadyGateway, chosen: ChosenMarkets, page: Page) -> Response:
    """Every market by name, with its newest quote."""
    memory = gateway.memory
    return answer(page_of(chosen, page, lambda market: market_figures(memory, market)))


@router.get(
    "/v1/markets/{exchange}/{pair}", responses=described("Market", examples.MARKET, "The market.")
)
async def market(gateway: ReadyGateway, exchange: str, pair: str) -> Response:
    """One market, as `kraken/BTC-USD`."""
    return answer(market_figures(gateway.memory, known_market(gateway.memory, exchange, pair)))
