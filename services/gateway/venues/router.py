"""`GET /v1/coins/{coin}/venues`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.gateway.answers import answer, described
from services.gateway.bars.series import chosen_market
from services.gateway.dependencies import ReadyGateway
from services.gateway.documentation import derived_examples as examples
from services.gateway.parameters import QuoteChoice
from services.gateway.venues.service import venue_figures

router = APIRouter(tags=["coins"])


@router.get("/v1/coins/{coin}/venues", responses=described("Venues", examples.VENUES, "Venues."))
async def venues(
    gateway: ReadyGateway,
    coin: str,
    quote: QuoteChoice = "USD",
    taker_bps: Annotated[
        float | None,
        Query(ge=0, le=1_000, description="Your taker fee on every venue; its base tier without."),
    ] = None,
) -> Response:
    """Best bid and ask over the venues of one quote currency, and where venues cross.

    `gross_bps` of a crossing is the bid over the ask, `net_bps` after both taker fees; indicative,
    since both sides must be traded before they move. A venue that cannot be traded on is in
    `left_out`, with its reason.
    """
    chosen_market(gateway.memory, coin, quote, None)
    return answer(venue_figures(gateway.memory, coin, quote, taker_bps))
