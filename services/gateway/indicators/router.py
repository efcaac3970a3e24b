"""`GET /v1/coins/{coin}/indicators`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from models.records.bars import INTERVAL_SECONDS
from services.gateway.answers import described_list
from services.gateway.bars.router import ExchangeChoice, QuoteChoice, series_answer
from services.gateway.bars.series import (
    MarketSeries,
    Series,
    chosen_market,
    chosen_numbers,
    markets_of,
)
from services.gateway.csv_answers import wants_csv
from services.gateway.dependencies import Page, ReadyGateway
from services.gateway.documentation import derived_examples as examples
from services.gateway.indicators.composite import CompositeIndicators
from services.gateway.lists import Window
from services.gateway.memory.intervals import INDICATORS
from services.gateway.parameters import IntervalChoice, TimeRange

COLUMNS = ["start", "as_of", "n", *INDICATORS.floats, "source", "stale", "reasons"]

router = APIRouter(tags=["bars"])


@router.get(
    "/v1/coins/{coin}/indicators",
    responses=described_list(
        "IndicatorList", examples.series_of(examples.INDICATORS), "Indicators.", has_csv=True
    ),
)
async def indicators(
    request: Request,
    gateway: ReadyGateway,
    page: Page,
    span: TimeRange,
    coin: str,
    interval: IntervalChoice = "1m",
    quote: QuoteChoice = "USD",
    exchange: ExchangeChoice = None,
) -> Response:
    """Indicators with `as_of` in `[start, end)`, oldest first; without both the newest alone.

    Of one market, or over the composite bars of a quote currency. `n` is how many bars in a row
    stand behind them. `complete_from` is where the oldest bar that is held begins; figures near
    it rest on fewer bars than there were. Also as `text/csv`.
    """
    as_csv = wants_csv(request)
    memory = gateway.memory
    market = chosen_market(memory, coin, quote, exchange)
    series: Series
    if market is not None:
        series = MarketSeries(memory.indicators, market, interval)
    else:
        series = CompositeIndicators(memory, markets_of(memory, coin, quote), interval)
    # A figure is as of the end of its bar.
    first, last = (number - 1 for number in span.steps(INTERVAL_SECONDS[interval]))
    is_newest = span.start is None and span.end is None and page.cursor is None
    window = Window(1, None) if is_newest else page
    chosen = chosen_numbers(series, None if span.start is None else first, last, window)
    return series_answer(request, series, chosen, COLUMNS if as_csv else None)
