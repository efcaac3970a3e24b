"""`GET /v1/coins/{coin}/bars` and `…/indicators`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.gateway.bars.answers import SeriesChoice, interval_answer
from services.gateway.dependencies import HistoryPart, ReadyGateway
from services.gateway.documentation import derived_examples as examples
from services.gateway.history.described import described_history
from services.gateway.parameters import TimeRange

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
    choice: SeriesChoice,
) -> Response:
    """Bars that start in `[start, end)`, oldest first; JSON without `start` has the newest `limit`.

    Of one market, or the composite of a quote currency, which names its `markets` and those that
    are `missing`. `complete_from` is where the oldest bar that is held begins: what was before is
    not in the answer, whether it was or not. `gaps` are times of which bars were lost.
    """
    return await interval_answer(request, gateway, "bars", part, span, choice)


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
    choice: SeriesChoice,
) -> Response:
    """Indicators with `as_of` in `[start, end)`, oldest first; JSON without both the newest alone.

    Of one market, or over the composite bars of a quote currency. `n` is how many bars in a row
    stand behind them. `complete_from` is where the oldest bar that is held begins; figures near
    it rest on fewer bars than there were. `gaps` are times of which something was lost.
    """
    return await interval_answer(request, gateway, "indicators", part, span, choice)
