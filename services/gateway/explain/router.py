"""`GET /v1/explain/spreads/{exchange}/{pair}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response

from models.times import iso_seconds
from services.gateway.answers import answer, described
from services.gateway.dependencies import ReadyGateway
from services.gateway.documentation.explain_examples import SPREAD_EXPLANATION
from services.gateway.documentation.explain_schemas import SpreadExplanation
from services.gateway.explain.explanation import explanation
from services.gateway.filters import known_market
from services.gateway.gateway import Gateway
from services.gateway.limits.clients import client_of
from services.gateway.problems import RefusedError, UnknownThingError
from services.gateway.times import as_asked, nanoseconds_of
from services.history.log import MemoryHistory
from services.history.source import Series

router = APIRouter(tags=["explain"])

MOST_TICKS = 2_000
_SECOND = 1_000_000_000


@router.get(
    "/v1/explain/spreads/{exchange}/{pair}",
    responses=described("SpreadExplanation", SPREAD_EXPLANATION, "What stands behind a row."),
)
async def explain_spread(
    request: Request,
    gateway: ReadyGateway,
    exchange: str,
    pair: str,
    as_of: Annotated[
        str | None, Query(description="A whole second, ISO-8601; the newest row if not given.")
    ] = None,
    window: Annotated[
        Literal["15s", "1m", "5m"], Query(description="Which window is written out.")
    ] = "15s",
    limit: Annotated[
        int, Query(ge=1, le=MOST_TICKS, description="How many quotes, and trades, are listed.")
    ] = 200,
) -> Response:
    """The ticks, unseen intervals and formulas behind one published row of spreads.

    Every figure is worked out anew from the raw ticks, which are read from the archive, or from
    Kafka where they are not archived yet: `recomputed` stands beside `published`. `quotes` are
    those of the window with the seconds each was in force, `trades` those that count with the mids
    they met, `panes` the baseline; `at` says where in Kafka a tick lies.
    """
    market = known_market(gateway.memory, exchange, pair)
    at = _second_of(gateway, market, as_of)
    if gateway.history is None or gateway.history.pasts is None:
        raise UnknownThingError("not_held", "expected an archive or a log of ticks, was none")
    pasts, series = gateway.history.pasts, gateway.history.series
    held, begins = gateway.memory.spreads.records(market)
    memory = MemoryHistory([(each.place.offset, each.value) for each in held], begins)

    def explained() -> SpreadExplanation:
        found = series.read(Series("spreads", market), at, at + 1, memory)
        row = _last_row(found.rows)
        if row is None:
            raise UnknownThingError(
                "not_held", f"expected a row of {market} as of {_iso(at)}, was none"
            )
        behind = pasts.of(market, at)
        past = behind.past()
        if past is None or not past.is_known(np.array([at], np.int64), "bid")[0]:
            raise UnknownThingError(
                "not_held",
                f"expected the quotes of {market} of the five minutes before {_iso(at)}, "
                "was a time of which neither archive nor log holds them",
            )
        return explanation(behind, past, row, at, window, limit)

    with gateway.reads.room(client_of(request, gateway.keys)):
        return answer(await gateway.reads.run(explained))


def _second_of(gateway: Gateway, market: str, as_of: str | None) -> int:
    """Return the second that is asked for, in nanoseconds.

    Raises:
        RefusedError: `bad_as_of`.
        UnknownThingError: `not_held`, none is asked for and there is no newest one.
    """
    if as_of is None:
        newest = gateway.memory.spreads.progress(market)
        if newest is None:
            raise UnknownThingError("not_held", f"expected a row of {market}, was none yet")
        return newest
    try:
        at = nanoseconds_of(as_asked(as_of))
    except (ValueError, OverflowError) as error:
        raise RefusedError("bad_as_of", f"expected as_of in ISO-8601, {error}") from error
    if at % _SECOND or not 0 <= at < 1 << 62:
        raise RefusedError("bad_as_of", f"expected a whole second, was {as_of}")
    return at


def _last_row(batches: Iterator[pa.RecordBatch]) -> dict[str, Any] | None:
    row: dict[str, Any] | None = None
    for batch in batches:
        if batch.num_rows:
            row = batch.slice(batch.num_rows - 1).to_pylist()[0]
    return row


def _iso(at: int) -> str:
    return iso_seconds(at // _SECOND)
