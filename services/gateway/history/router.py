"""`GET …/history` of spreads and feeds, and the raw quotes and trades of a market."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from models.archive.tick_tables import Kind
from services.gateway.dependencies import HistoryPart, HistoryWindow, ReadyGateway
from services.gateway.documentation.history_examples import (
    FEED_HISTORY,
    QUOTE_TICKS,
    SPREAD_HISTORY,
    TRADE_TICKS,
)
from services.gateway.filters import known_market
from services.gateway.gateway import Gateway
from services.gateway.history.aggregate import Aggregate
from services.gateway.history.answers import history_answer
from services.gateway.history.described import described_history
from services.gateway.history.formats import chosen_form
from services.gateway.history.places import GatewayHistory
from services.gateway.history.reads import HistoryAwayError
from services.gateway.history.series import (
    FeedSeries,
    SpreadInterval,
    SpreadSeries,
    TickSeries,
    range_of,
)
from services.gateway.parameters import Range, TimeRange
from services.history.merging import AT_ONCE

router = APIRouter(tags=["history"])


@router.get(
    "/v1/spreads/{exchange}/{pair}/history",
    responses=described_history("SpreadHistory", SPREAD_HISTORY, "Spreads over time."),
)
async def spread_history(
    request: Request,
    gateway: ReadyGateway,
    part: HistoryPart,
    span: TimeRange,
    exchange: str,
    pair: str,
    interval: Annotated[SpreadInterval, Query(description="From row to row.")] = "1s",
    aggregate: Annotated[
        Aggregate, Query(description="What a row of a longer interval says: its last, or its mean.")
    ] = "last",
) -> Response:
    """The spreads of one market as of `[start, end)`, oldest first.

    A row of a longer interval ends at a multiple of it and rests on the `rows` of the seconds
    before, `rows_seen` of which have a mid. `mean` is over the rows in which a figure is not null;
    of `min`, `max`, `trade_low` and `trade_high` it is the least or greatest. `gaps` are times of
    which something is missing.
    """
    form = chosen_form(request)
    market = known_market(gateway.memory, exchange, pair)
    held, begins = gateway.memory.spreads.records(market)
    series = SpreadSeries(
        history_of(gateway),
        range_of(market, span.start, span.end),
        interval,
        aggregate,
        tuple(held),
        begins,
        gateway.memory.spreads.progress(market) or 0,
    )
    return await history_answer(request, gateway, form, part, series.open)


@router.get(
    "/v1/feeds/{exchange}/{pair}/history",
    responses=described_history("FeedHistory", FEED_HISTORY, "Changes of the status."),
)
async def feed_history(
    request: Request,
    gateway: ReadyGateway,
    part: HistoryPart,
    span: TimeRange,
    exchange: str,
    pair: str,
) -> Response:
    """Each change of a feed's status with `since` in `[start, end)`, oldest first."""
    form = chosen_form(request)
    market = known_market(gateway.memory, exchange, pair)
    series = FeedSeries(history_of(gateway), range_of(market, span.start, span.end))
    return await history_answer(request, gateway, form, part, series.open)


@router.get(
    "/v1/markets/{exchange}/{pair}/quotes",
    responses=described_history("QuoteTicks", QUOTE_TICKS, "Raw quotes."),
)
async def quotes(
    request: Request,
    gateway: ReadyGateway,
    part: HistoryPart,
    span: TimeRange,
    exchange: str,
    pair: str,
) -> Response:
    """Every quote of a market with a time in `[start, end)`, by time and place in the log."""
    return await _ticks(request, gateway, part, span, "quotes", exchange, pair)


@router.get(
    "/v1/markets/{exchange}/{pair}/trades",
    responses=described_history("TradeTicks", TRADE_TICKS, "Raw trades."),
)
async def trades(
    request: Request,
    gateway: ReadyGateway,
    part: HistoryPart,
    span: TimeRange,
    exchange: str,
    pair: str,
) -> Response:
    """Every trade of a market with a time in `[start, end)`, by time and place in the log."""
    return await _ticks(request, gateway, part, span, "trades", exchange, pair)


async def _ticks(
    request: Request,
    gateway: Gateway,
    part: HistoryWindow,
    span: Range,
    kind: Kind,
    exchange: str,
    pair: str,
) -> Response:
    form = chosen_form(request)
    wanted = range_of(known_market(gateway.memory, exchange, pair), span.start, span.end)
    at_once = AT_ONCE if form != "json" else min(part.rows, AT_ONCE)
    series = TickSeries(history_of(gateway), kind, wanted, at_once)
    return await history_answer(request, gateway, form, part, series.open, parts=3)


def history_of(gateway: Gateway) -> GatewayHistory:
    """Return the places of history.

    Raises:
        HistoryAwayError: the gateway has none.
    """
    if gateway.history is None:
        raise HistoryAwayError("expected places of history, was none")
    return gateway.history
