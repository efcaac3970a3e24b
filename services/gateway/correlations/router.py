"""`GET /v1/correlations`, a pair's, and its history."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from services.gateway.answers import answer, described, figures_answer
from services.gateway.correlations.history import history_of
from services.gateway.correlations.matrix_series import MatrixSeries, matrix_series
from services.gateway.correlations.pair_series import PairSeries, pair_series
from services.gateway.correlations.service import (
    chosen_coins,
    chosen_table,
    expect_coin,
    newest_matrix,
    returns_of,
)
from services.gateway.dependencies import HistoryPart, ReadyGateway
from services.gateway.documentation import derived_examples as examples
from services.gateway.history.answers import history_answer
from services.gateway.history.described import described_history
from services.gateway.history.formats import chosen_form
from services.gateway.lists import Window
from services.gateway.memory.correlations import MANY_COINS
from services.gateway.memory.returns import WITH_HISTORY
from services.gateway.parameters import TimeRange
from services.gateway.problems import RefusedError

WindowChoice = Annotated[str, Query(description="How far back a table looks, as 1h.")]
SamplingChoice = Annotated[
    str | None, Query(description="Over what returns are, as 60s; the table's default without it.")
]
MethodChoice = Annotated[
    Literal["pearson", "spearman", "ewma", "hayashi_yoshida"], Query(description="The method.")
]
HistoryInterval = Literal["10s", "1m", "5m", "15m", "1h"]

_SECONDS: dict[HistoryInterval, int] = {"10s": 10, "1m": 60, "5m": 300, "15m": 900, "1h": 3_600}

router = APIRouter(tags=["correlations"])


@router.get(
    "/v1/correlations", responses=described("Correlations", examples.CORRELATIONS, "The matrix.")
)
async def correlations(
    gateway: ReadyGateway,
    window: WindowChoice = "1h",
    sampling: SamplingChoice = None,
    method: MethodChoice = "pearson",
    coins: Annotated[
        str | None,
        Query(description="`BTC,ETH`, `*` for all; the top 10 by market value without it."),
    ] = None,
    repair: Annotated[
        bool, Query(description="Cut negative eigenvalues, for uses that need none.")
    ] = False,
    order: Annotated[
        Literal["rank", "cluster"] | None,
        Query(description="By market value, or so that what moves together stands together."),
    ] = None,
) -> Response:
    """The newest matrix of a table, its intervals and what it rests on.

    A null cell has its reason at `matrix.A.B`, that of its `low` and `high` too. `stale` are coins
    without a price now, `masked` sources that were not waited for, `rest_share` the share of rows
    made from candles, `ticks` good quotes a second. `change` is against the next longer table.
    """
    memory = gateway.memory
    table = chosen_table(memory, window, sampling, method)
    matrix = newest_matrix(memory, table)
    chosen = chosen_coins(memory, matrix, coins)
    if order == "rank":
        chosen = memory.by_rank(chosen)
    figures = memory.matrix_figures(matrix)

    def show() -> Response:
        return figures_answer(figures.over(chosen, repaired=repair, clustered=order == "cluster"))

    return await gateway.rendering.run(show) if len(chosen) > MANY_COINS else show()


@router.get("/v1/correlations/{a}/{b}", responses=described("Pair", examples.PAIR, "The pair."))
async def pair(
    gateway: ReadyGateway,
    a: str,
    b: str,
    window: WindowChoice = "1h",
    sampling: SamplingChoice = None,
    method: MethodChoice = "pearson",
) -> Response:
    """The newest correlation of two coins; `change` is against the next longer table.

    Of `pearson`, `returns` are those of its rows that are held: the log returns of both.
    """
    memory = gateway.memory
    table = chosen_table(memory, window, sampling, method)
    for coin in (a, b):
        expect_coin(memory, coin)
    matrix = newest_matrix(memory, table)
    figures = memory.matrix_figures(matrix).pair(a, b)
    return answer({**figures, **returns_of(memory, table, matrix.as_of, (a, b))})


@router.get(
    "/v1/correlations/{a}/{b}/history",
    responses=described_history(
        "PairHistory", examples.series_of(examples.PAIR_POINT), "The pair over time."
    ),
)
async def history(
    request: Request,
    gateway: ReadyGateway,
    part: HistoryPart,
    span: TimeRange,
    a: str,
    b: str,
    window: WindowChoice = "1h",
    sampling: SamplingChoice = None,
    method: MethodChoice = "pearson",
    interval: Annotated[HistoryInterval, Query(description="From point to point.")] = "1m",
) -> Response:
    """A pair's correlation as of `[start, end)`, oldest first; JSON without `start` the newest.

    `pearson` reaches back as far as the archive, the other methods as far as matrices are kept:
    15 minutes, and where there is Cassandra one a minute; `complete_from` says where that is.
    Windows that begin before it are short.
    """
    memory = gateway.memory
    form = chosen_form(request)
    table = chosen_table(memory, window, sampling, method)
    for coin in (a, b):
        expect_coin(memory, coin)
    length_s = _SECONDS[interval]
    if length_s < table.step_s:
        raise RefusedError(
            "bad_parameter", f"expected an interval from {table.step_s} s on, was {interval}"
        )
    steps = span.steps(length_s)
    kept = None if gateway.history is None else gateway.history.matrices
    wanted: PairSeries | MatrixSeries
    if kept is not None and table.method != WITH_HISTORY:
        wanted = matrix_series(gateway, kept, table, (a, b), steps, length_s)
    else:
        wanted = pair_series(gateway, table, (a, b), steps, length_s)
    if form != "json" or (span.start is not None and not wanted.is_in_memory()):
        return await history_answer(request, gateway, form, part, wanted.open)
    page = Window(part.rows, part.cursor)
    return answer(
        history_of(memory, table, (a, b), steps, length_s, page, has_start=span.start is not None)
    )
