"""The answer of `/v1/coins/{coin}/bars` and `…/indicators`: the same but for the topic."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import Depends, Query, Request, Response

from models.records.bars import INTERVAL_SECONDS, BarInterval
from services.gateway.answers import answer
from services.gateway.bars.interval_schema import Topic
from services.gateway.bars.interval_series import IntervalSeries, interval_series
from services.gateway.bars.series import (
    chosen_market,
    chosen_numbers,
    markets_of,
    page_of_series,
)
from services.gateway.dependencies import HistoryWindow
from services.gateway.gateway import Gateway
from services.gateway.history.answers import history_answer
from services.gateway.history.formats import chosen_form
from services.gateway.history.reads import HistoryAwayError
from services.gateway.lists import Window
from services.gateway.parameters import IntervalChoice, QuoteChoice, Range

_PATIENCE_S = 2.0
"""So long backfilled bars are waited for where all else is in memory."""


class Choice(msgspec.Struct, frozen=True):
    """Whose bars are wanted; without an exchange the composite of a quote currency."""

    coin: str
    interval: BarInterval
    quote: str
    exchange: str | None


def _choice(
    coin: str,
    interval: IntervalChoice = "1m",
    quote: QuoteChoice = "USD",
    exchange: Annotated[
        str | None,
        Query(description="Of this exchange's market; without it the composite of all of them."),
    ] = None,
) -> Choice:
    return Choice(coin, interval, quote, exchange)


SeriesChoice = Annotated[Choice, Depends(_choice)]
"""Which series is wanted."""


async def interval_answer(
    request: Request,
    gateway: Gateway,
    topic: Topic,
    part: HistoryWindow,
    span: Range,
    choice: Choice,
) -> Response:
    """Return a part of a series, in the form that is accepted; where it can be out of memory alone.

    Memory is copied here, on the event loop; what takes long is done beside it.
    """
    form = chosen_form(request)
    market = chosen_market(gateway.memory, choice.coin, choice.quote, choice.exchange)
    is_composite = market is None
    markets = markets_of(gateway.memory, choice.coin, choice.quote) if market is None else [market]
    first, last = span.steps(INTERVAL_SECONDS[choice.interval])
    if topic == "indicators":
        # A figure is as of the end of its bar.
        first, last = first - 1, last - 1
    wanted = interval_series(
        gateway, topic, markets, choice.interval, (first, last), is_composite=is_composite
    )
    if form != "json" or (span.start is not None and not wanted.is_in_memory()):
        return await history_answer(request, gateway, form, part, wanted.open)
    is_newest = span.start is None and span.end is None and part.cursor is None
    window = Window(1 if topic == "indicators" and is_newest else part.rows, part.cursor)

    wanted = await _with_stand_ins(gateway, wanted)

    def show() -> Response:
        series = wanted.as_held()
        chosen = chosen_numbers(series, None if span.start is None else first, last, window)
        return answer(page_of_series(series, chosen))

    return await gateway.rendering.run(show)


async def _with_stand_ins(gateway: Gateway, wanted: IntervalSeries) -> IntervalSeries:
    """Return what is in memory with backfilled bars in it, without them while they are away."""
    if gateway.history is None or gateway.reads.is_away or not wanted.is_of_bars:
        return wanted
    try:
        return await asyncio.wait_for(gateway.reads.run(wanted.with_stand_ins), _PATIENCE_S)
    except (HistoryAwayError, TimeoutError):
        return wanted
