"""The answers about orders as OpenAPI describes them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.gateway.documentation.kinds import MarketKey, Reasons, Time


class FillRate(msgspec.Struct):
    """How often orders by this rule would have been filled within the horizon, lately."""

    horizon_s: int
    window_s: int
    rate: float | None
    n: Annotated[int, Meta(description="placements; they overlap")]
    coverage: Annotated[float, Meta(ge=0, le=1)]
    low: Annotated[float | None, Meta(description="95 %, Wilson, of n ÷ horizon placements")]
    high: float | None
    miss_drift_bps: Annotated[
        float | None, Meta(description="how far the mid had moved away where it was not filled")
    ]
    misses: int
    assumption: str


class OrderSuggestion(msgspec.Struct):
    """An indicative post-only limit order; all costs are in bps of the mid."""

    market: MarketKey
    side: Literal["buy", "sell"]
    as_of: Time
    price: float | None
    tick_size: float
    bid: float
    ask: float
    mid: float
    reference_spread_bps: Annotated[
        float | None, Meta(description="the spread that is expected: baseline_bps")
    ]
    saving_bps: Annotated[float | None, Meta(description="taker's cost less maker's")]
    taker_cost_bps: float
    maker_cost_bps: float | None
    adverse_selection_bps: Annotated[
        float | None, Meta(description="half the mean price impact after a minute, last hour")
    ]
    impact_n: int
    chase_bps: Annotated[
        float | None, Meta(description="what a miss costs more: as asked, else as seen")
    ]
    break_even_fill_probability: float | None
    fill_rate: FillRate
    maker_bps: float
    taker_bps: float
    indicative: bool
    stale: bool
    reasons: Reasons


class RouteLeg(msgspec.Struct):
    """One trade of a route."""

    market: MarketKey
    side: Literal["buy", "sell"]
    price: float
    spread_bps: float
    fee_bps: float
    cost_bps: float


class OneRoute(msgspec.Struct):
    """Legs in their order; `rate` is what one unit becomes net, `mid_rate` at mids."""

    exchange: str
    legs: list[RouteLeg]
    rate: float
    mid_rate: float
    cost_bps: float
    indicative: bool
    reasons: Reasons


class OrderRoute(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Every route of one or two legs, the one that gives most first, at the best prices alone."""

    start: str
    end: str
    as_of: Time | None
    routes: list[OneRoute]
    best: int | None
    left_out: Annotated[dict[str, str], Meta(description="markets not seen now, and why")]
    indicative: bool
    reasons: Reasons


ORDERS = (OrderSuggestion, OrderRoute)
