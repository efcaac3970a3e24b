"""`GET /v1/coins/{coin}/bars`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from models.records.bars import INTERVAL_SECONDS
from services.gateway.answers import answer, described_list
from services.gateway.bars.composite import CompositeSeries
from services.gateway.bars.series import (
    Chosen,
    MarketSeries,
    Series,
    chosen_market,
    chosen_numbers,
    complete_from,
    markets_of,
    page_of_series,
)
from services.gateway.csv_answers import csv_answer, wants_csv
from services.gateway.dependencies import Page, ReadyGateway
from services.gateway.documentation import derived_examples as examples
from services.gateway.lists import next_link
from services.gateway.memory.memory import Memory
from services.gateway.parameters import IntervalChoice, TimeRange

QuoteChoice = Annotated[str, Query(description="In this quote currency.")]
ExchangeChoice = Annotated[
    str | None,
    Query(description="Of this exchange's market; without it the composite of all of them."),
]
COLUMNS = [
    "start", "as_of", "open", "high", "low", "close", "volume", "quote_volume", "vwap", "n",
    "first_trade", "last_trade", "coverage", "source", "stale", "reasons",
]  # fmt: skip
COMPLETE_FROM = "Cointide-Complete-From"

router = APIRouter(tags=["bars"])


@router.get(
    "/v1/coins/{coin}/bars",
    responses=described_list("BarList", examples.series_of(examples.BAR), "Bars.", has_csv=True),
)
async def bars(
    request: Request,
    gateway: ReadyGateway,
    page: Page,
    span: TimeRange,
    coin: str,
    interval: IntervalChoice = "1m",
    quote: QuoteChoice = "USD",
    exchange: ExchangeChoice = None,
) -> Response:
    """Bars that start in `[start, end)`, oldest first; without `start` the newest `limit`.

    Of one market, or the composite of a quote currency, which names its `markets` and those that
    are `missing`. `complete_from` is where the oldest bar that is held begins: what was before is
    not in the answer, whether it was or not. Also as `text/csv`; the next page is then in `Link`.
    """
    as_csv = wants_csv(request)
    series = bar_series(gateway.memory, coin, quote, exchange, interval)
    first, last = span.steps(INTERVAL_SECONDS[interval])
    chosen = chosen_numbers(series, None if span.start is None else first, last, page)
    return series_answer(request, series, chosen, COLUMNS if as_csv else None)


def series_answer(
    request: Request, series: Series, chosen: Chosen, columns: list[str] | None
) -> Response:
    """Return what was chosen of a series: as JSON, or as CSV with these columns."""
    if columns is None:
        return answer(page_of_series(series, chosen))
    headers = {COMPLETE_FROM: complete_from(series) or ""} | next_link(request.url, chosen.next)
    return csv_answer(columns, series.figures(chosen.numbers), headers)


def bar_series(
    memory: Memory, coin: str, quote: str, exchange: str | None, interval: IntervalChoice
) -> Series:
    """Return the bars that a request means.

    Raises:
        RefusedError: it names what is unknown.
    """
    market = chosen_market(memory, coin, quote, exchange)
    if market is not None:
        return MarketSeries(memory.bars, market, interval)
    return CompositeSeries(memory, markets_of(memory, coin, quote), interval)
