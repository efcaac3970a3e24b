"""`GET /v1/coins/{coin}/bars`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from models.records.bars import INTERVAL_SECONDS
from services.gateway.answers import answer
from services.gateway.bars.composite import CompositeSeries
from services.gateway.bars.series import (
    MarketSeries,
    Series,
    chosen_market,
    chosen_numbers,
    markets_of,
    page_of_series,
)
from services.gateway.dependencies import HistoryPart, ReadyGateway
from services.gateway.documentation import derived_examples as examples
from services.gateway.history.answers import history_answer
from services.gateway.history.described import described_history
from services.gateway.history.formats import chosen_form
from services.gateway.history.intervals import interval_series
from services.gateway.lists import Window
from services.gateway.parameters import IntervalChoice, TimeRange

QuoteChoice = Annotated[str, Query(description="In this quote currency.")]
ExchangeChoice = Annotated[
    str | None,
    Query(description="Of this exchange's market; without it the composite of all of them."),
]
router = APIRouter(tags=["bars"])


@router.get(
    "/v1/coins/{coin}/bars",
    responses=described_history("BarList", examples.series_of(examples.BAR), "Bars."),
)
async def bars(
    request: Request,
    gateway: ReadyGateway,
    part: HistoryPart,
    span: TimeRange,
    coin: str,
    interval: IntervalChoice = "1m",
    quote: QuoteChoice = "USD",
    exchange: ExchangeChoice = None,
) -> Response:
    """Bars that start in `[start, end)`, oldest first; JSON without `start` has the newest `limit`.

    Of one market, or the composite of a quote currency, which names its `markets` and those that
    are `missing`. `complete_from` is where the oldest bar that is held begins: what was before is
    not in the answer, whether it was or not. `gaps` are times of which bars were lost.
    """
    form = chosen_form(request)
    memory = gateway.memory
    market = chosen_market(memory, coin, quote, exchange)
    markets = markets_of(memory, coin, quote) if market is None else [market]
    first, last = span.steps(INTERVAL_SECONDS[interval])
    wanted = interval_series(
        gateway, "bars", markets, interval, (first, last), is_composite=market is None
    )
    if form != "json" or (span.start is not None and not wanted.is_in_memory()):
        return await history_answer(request, gateway, form, part, wanted.open)
    series: Series
    if market is not None:
        series = MarketSeries(memory.bars, market, interval)
    else:
        series = CompositeSeries(memory.bars, memory.delay, markets, interval)
    window = Window(part.rows, part.cursor)
    chosen = chosen_numbers(series, None if span.start is None else first, last, window)
    return answer(page_of_series(series, chosen))
