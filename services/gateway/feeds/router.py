"""`GET /v1/feeds`."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.gateway.answers import answer, described
from services.gateway.dependencies import Page, ReadyGateway
from services.gateway.documentation import examples
from services.gateway.filters import CoinFilter, ExchangeFilter, chosen_markets
from services.gateway.lists import page_of

router = APIRouter(tags=["feeds"])


@router.get("/v1/feeds", responses=described("FeedList", examples.page_of(examples.FEED), "Feeds."))
async def feeds(
    gateway: ReadyGateway, page: Page, exchange: ExchangeFilter = None, coin: CoinFilter = None
) -> Response:
    """The state of every market's feed: status, last frame and price, gaps, clock skew."""
    memory = gateway.memory
    markets = chosen_markets(memory, exchange, coin)
    return answer(page_of(markets, page, memory.feeds.figures))
