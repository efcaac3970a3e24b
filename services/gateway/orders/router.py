"""`GET /v1/orders/suggestion` and `GET /v1/orders/route`."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Response

from models.errors import TransportError
from models.fees import fees_of
from models.orders.route import Route, TopOfBook, routes
from services.gateway.answers import answer, described
from services.gateway.dependencies import ReadyGateway
from services.gateway.documentation.order_examples import ORDER_ROUTE, ORDER_SUGGESTION
from services.gateway.filters import chosen_markets, known_market
from services.gateway.items import Figures
from services.gateway.memory.memory import Memory
from services.gateway.orders.past import LONGEST_HORIZON_S, STEP_S
from services.gateway.orders.suggestion import Wanted, suggestion
from services.gateway.problems import NotReadyError, RefusedError, UnknownThingError
from services.gateway.spreads.service import spread_figures

router = APIRouter(tags=["orders"])

_Fee = Annotated[
    float | None, Query(ge=-100, le=1_000, description="In bps; the venue's if not given.")
]


class StaleMarketError(RefusedError):
    """A market that is not seen now: no order can be put on it."""

    status = HTTPStatus.CONFLICT


@router.get(
    "/v1/orders/suggestion",
    responses=described("OrderSuggestion", ORDER_SUGGESTION, "Indicative."),
)
async def order_suggestion(
    gateway: ReadyGateway,
    market: Annotated[str, Query(description="As kraken:BTC-USD.")],
    side: Literal["buy", "sell"],
    maker_bps: _Fee = None,
    taker_bps: _Fee = None,
    horizon: Annotated[
        int, Query(ge=STEP_S, le=LONGEST_HORIZON_S, description="Seconds, in steps of 5.")
    ] = 60,
    chase_bps: Annotated[
        float | None,
        Query(ge=0, le=1_000, description="How far the price moves away after a miss; as seen."),
    ] = None,
) -> Response:
    """An indicative limit price, what it saves against crossing, and how often it was filled."""
    if horizon % STEP_S:
        raise RefusedError("bad_horizon", f"expected a multiple of {STEP_S} s, was {horizon}")
    exchange, _, pair = market.partition(":")
    known = known_market(gateway.memory, exchange, pair)
    tick = _tick_of(gateway.memory, known)
    figures = _seen(gateway.memory, known)
    try:
        past = await asyncio.to_thread(gateway.find_past, known)
    except TransportError as error:
        raise NotReadyError([str(error)]) from error
    wanted = Wanted(known, side, horizon, maker_bps, taker_bps, chase_bps)
    return answer(suggestion(wanted, figures, tick, past))


@router.get("/v1/orders/route", responses=described("OrderRoute", ORDER_ROUTE, "Indicative."))
async def order_route(
    gateway: ReadyGateway,
    start: Annotated[str, Query(alias="from", description="The currency that is paid.")],
    end: Annotated[str, Query(alias="to", description="The currency that is wanted.")],
    exchange: str | None = None,
    taker_bps: _Fee = None,
) -> Response:
    """Every route of one or two legs on one exchange, the one that gives most first."""
    memory = gateway.memory
    if start == end:
        raise RefusedError("bad_route", f"expected two currencies, was {start} twice")
    markets = chosen_markets(memory, exchange)
    currencies = {part for market in markets for part in _ends(market)}
    for currency in (start, end):
        if currency not in currencies:
            raise UnknownThingError(
                "unknown_currency", f"expected one traded here, was {currency!r}"
            )
    found: list[tuple[str, Route]] = []
    left_out: dict[str, str] = {}
    ages: dict[str, str] = {}
    for venue in sorted({market.partition(":")[0] for market in markets}):
        books = []
        for market in (each for each in markets if each.partition(":")[0] == venue):
            figures = spread_figures(memory, market)
            if figures["mid"] is None or figures["stale"]:
                left_out[market] = _why(figures)
                continue
            base, quote = _ends(market)
            fee = fees_of(venue, None, taker_bps).taker_bps
            books.append(TopOfBook(market, base, quote, figures["bid"], figures["ask"], fee))
            ages[market] = figures["as_of"]
        found.extend((venue, route) for route in routes(books, start, end))
    found.sort(key=lambda each: -each[1].rate)
    used = {leg.market for _, route in found for leg in route.legs}
    body: dict[str, Any] = {
        "from": start,
        "to": end,
        "as_of": min((ages[market] for market in used), default=None),
        "routes": [
            {"exchange": venue, **msgspec.structs.asdict(route), "indicative": True, "reasons": {}}
            for venue, route in found
        ],
        "best": 0 if found else None,
        "left_out": {
            market: why for market, why in left_out.items() if {*_ends(market)} & {start, end}
        },
        "indicative": True,
        "reasons": {} if found else {"best": "stale" if left_out else "no_trades"},
    }
    return answer(body)


def _tick_of(memory: Memory, market: str) -> float:
    instrument = memory.instruments.get(market)
    if instrument is None or instrument.tick_size is None:
        raise StaleMarketError(
            "unknown_tick_size", f"expected the tick size of {market} in `markets`, is not there"
        )
    return instrument.tick_size


def _seen(memory: Memory, market: str) -> Figures:
    figures = spread_figures(memory, market)
    if figures["mid"] is None or figures["stale"]:
        raise StaleMarketError(
            "stale_market", f"expected {market} to be seen now, but: {_why(figures)}"
        )
    return figures


def _why(figures: Figures) -> str:
    reasons = figures["reasons"]
    return str(reasons.get("as_of") or reasons.get("mid") or "stale")


def _ends(market: str) -> tuple[str, str]:
    base, _, quote = market.partition(":")[2].rpartition("-")
    return base, quote
