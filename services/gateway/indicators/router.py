"""`GET /v1/coins/{coin}/indicators`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from models.records.bars import INTERVAL_SECONDS
from services.gateway.answers import answer
from services.gateway.bars.router import ExchangeChoice, QuoteChoice
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
from services.gateway.indicators.composite import CompositeIndicators
from services.gateway.lists import Window
from services.gateway.parameters import IntervalChoice, TimeRange

router = APIRouter(tags=["bars"])


@router.get(
    "/v1/coins/{coin}/indicators",
    responses=described_history(
        "IndicatorList", examples.series_of(examples.INDICATORS), "Indicators."
    ),
)
async def indicators(
    request: Request,
    gateway: ReadyGateway,
    part: HistoryPart,
    span: TimeRange,
    coin: str,
    interval: IntervalChoice = "1m",
    quote: QuoteChoice = "USD",
    exchange: ExchangeChoice = None,
) -> Response:
    """Indicators with `as_of` in `[start, end)`, oldest first; JSON without both the newest alone.

    Of one market, or over the composite bars of a quote currency. `n` is how many bars in a row
    stand behind them. `complete_from` is where the oldest bar that is held begins; figures near
    it rest on fewer bars than there were. `gaps` are times of which something was lost.
    """
    form = chosen_form(request)
    memory = gateway.memory
    market = chosen_market(memory, coin, quote, exchange)
    markets = markets_of(memory, coin, quote) if market is None else [market]
    # A figure is as of the end of its bar.
    first, last = (number - 1 for number in span.steps(INTERVAL_SECONDS[interval]))
    wanted = interval_series(
        gateway, "indicators", markets, interval, (first, last), is_composite=market is None
    )
    if form != "json" or (span.start is not None and not wanted.is_in_memory()):
        return await history_answer(request, gateway, form, part, wanted.open)
    series: Series
    if market is not None:
        series = MarketSeries(memory.indicators, market, interval)
    else:
        series = CompositeIndicators(memory.bars, memory.delay, markets, interval)
    is_newest = span.start is None and span.end is None and part.cursor is None
    window = Window(1 if is_newest else part.rows, part.cursor)
    chosen = chosen_numbers(series, None if span.start is None else first, last, window)
    return answer(page_of_series(series, chosen))
