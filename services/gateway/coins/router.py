"""`GET /v1/coins` and one coin."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.gateway.answers import answer, described
from services.gateway.coins.service import coin_figures
from services.gateway.dependencies import Page, ReadyGateway
from services.gateway.documentation import examples
from services.gateway.lists import page_of

router = APIRouter(tags=["coins"])


@router.get("/v1/coins", responses=described("CoinList", examples.page_of(examples.COIN), "Coins."))
async def coins(gateway: ReadyGateway, page: Page) -> Response:
    """Every coin by name: rank, market value, reference price, 24 h volume and change."""
    memory = gateway.memory
    return answer(page_of(memory.all_coins(), page, lambda coin: coin_figures(memory, coin)))


@router.get("/v1/coins/{coin}", responses=described("Coin", examples.COIN, "The coin."))
async def coin(gateway: ReadyGateway, coin: str) -> Response:
    """One coin."""
    return answer(coin_figures(gateway.memory, coin))
