"""The answers about bars, indicators, correlations and venues, as they are described."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from models.records.bars import BarInterval, BarSource
from models.records.reasons import Reason
from services.gateway.documentation.kinds import (
    CompleteFrom,
    Cursor,
    Gaps,
    MarketKey,
    Reasons,
    Time,
)

Cells = Annotated[list[list[float | None]], Meta(description="a row a coin, in the order of coins")]
Counts = Annotated[list[list[float]], Meta(description="a row a coin, in the order of coins")]
RestShare = Annotated[float | None, Meta(description="share of the rows made from candles")]
Masked = Annotated[list[str], Meta(description="sources that this step was made without")]
NotPriced = Annotated[list[str], Meta(description="coins without a price now; all of a late line")]


BarOrigin = Annotated[
    BarSource,
    Meta(description="live, rest (candles), capture (backfilled), mixed: of more than one"),
]


class Bar(msgspec.Struct, kw_only=True):
    """A candle over `[start, as_of)`.

    Of a market it has `market` and `exchange`; a composite has `markets` and `missing` instead.
    """

    coin: str
    quote_currency: str
    interval: BarInterval
    start: Time
    as_of: Time
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: Annotated[float | None, Meta(description="in the coin")]
    quote_volume: float | None
    vwap: float | None
    n: Annotated[int | None, Meta(description="trades")]
    first_trade: Time | None
    last_trade: Time | None
    coverage: Annotated[float, Meta(ge=0, le=1)]
    source: BarOrigin
    stale: bool
    reasons: Reasons
    market: MarketKey | msgspec.UnsetType = msgspec.UNSET
    exchange: str | msgspec.UnsetType = msgspec.UNSET
    markets: list[MarketKey] | msgspec.UnsetType = msgspec.UNSET
    missing: list[MarketKey] | msgspec.UnsetType = msgspec.UNSET


class Indicators(msgspec.Struct, kw_only=True):
    """Figures over `n` bars in a row up to the one that ends at `as_of`; names as of bars."""

    coin: str
    quote_currency: str
    interval: BarInterval
    start: Time
    as_of: Time
    n: int
    sma_20: float | None
    ema_20: float | None
    bollinger_upper: float | None
    bollinger_lower: float | None
    rsi_14: float | None
    atr_14: float | None
    realised_volatility: Annotated[float | None, Meta(description="annualised, 1 is 100 %")]
    vwap_20: float | None
    source: BarOrigin
    stale: bool
    reasons: Reasons
    market: MarketKey | msgspec.UnsetType = msgspec.UNSET
    exchange: str | msgspec.UnsetType = msgspec.UNSET
    markets: list[MarketKey] | msgspec.UnsetType = msgspec.UNSET
    missing: list[MarketKey] | msgspec.UnsetType = msgspec.UNSET


class AverageChange(msgspec.Struct):
    """The mean of all pairs' z, and how many standard deviations it is from its own past."""

    z: float | None
    distance: float | None
    is_changed: bool | None


class ChangedPair(msgspec.Struct):
    """A pair whose |z| is above 1.96; `against` is the longer table's correlation."""

    coins: list[str]
    z: float
    correlation: float | None
    against: float | None


class Change(msgspec.Struct):
    """What has changed against the table with the next longer window, the id `against`."""

    against: str
    average: AverageChange
    pairs: list[ChangedPair]


class PairChange(msgspec.Struct):
    """The same of one pair."""

    against: str
    correlation: float | None
    z: float | None
    is_changed: bool | None


class Correlations(msgspec.Struct):
    """A matrix. `reasons` has `matrix.A.B` for a null cell, which holds for `low` and `high` too.

    `low` and `high` are the 95 % interval of what was measured, also where `matrix` is repaired.
    `sigma` is annualised, `ticks` good quotes a second. `change` is null without a longer table.
    """

    table: str
    window: str
    sampling: str
    method: str
    as_of: Time | None
    coins: list[str]
    matrix: Cells
    sigma: list[float | None]
    n: Counts
    n_effective: Counts
    low: Cells
    high: Cells
    repaired: bool
    ticks: list[float | None]
    masked: Masked
    rest_share: RestShare
    change: Change | None
    stale: NotPriced
    reasons: Reasons


class Pair(msgspec.Struct):
    """One cell of a matrix; `sigma` and `ticks` are of the two `coins`."""

    table: str
    window: str
    sampling: str
    method: str
    as_of: Time | None
    coins: list[str]
    correlation: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float
    sigma: list[float | None]
    ticks: list[float | None]
    masked: Masked
    rest_share: RestShare
    change: PairChange | None
    stale: NotPriced
    reasons: Reasons
    returns: Annotated[
        list[list[float]] | msgspec.UnsetType, Meta(description="of pearson: a row of two each")
    ] = msgspec.UNSET


class PairPoint(msgspec.Struct):
    """A pair's correlation over the window that ends at `as_of`."""

    as_of: Time
    window: str
    correlation: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float
    stale: bool
    reasons: Reasons


class BestPrice(msgspec.Struct):
    """The best price, the size and the markets there; `age_s` is that of the oldest quote."""

    price: float
    size: float
    markets: list[MarketKey]
    age_s: float


class Venue(msgspec.Struct):
    """One market's quote, its age, and the taker's fee in bps of the traded value."""

    market: MarketKey
    exchange: str
    as_of: Time | None
    time: Time | None
    age_s: float | None
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    mid: float | None
    taker_bps: float
    stale: bool
    reasons: Reasons


class VenueCrossing(msgspec.Struct):
    """Buy at the ask of one market, sell at the bid of the other; `net_bps` is after both fees."""

    buy: MarketKey
    sell: MarketKey
    ask: float
    bid: float
    size: float
    gross_bps: float
    net_bps: float


class LeftOut(msgspec.Struct):
    """A market that cannot be traded on now."""

    market: MarketKey
    reason: Reason


class Venues(msgspec.Struct):
    """A coin over the exchanges, as of the least far of those that can be traded on."""

    coin: str
    quote_currency: str
    as_of: Time | None
    best_bid: BestPrice | None
    best_ask: BestPrice | None
    spread_bps: float | None
    venues: list[Venue]
    crossings: list[VenueCrossing]
    left_out: list[LeftOut]
    stale: bool
    reasons: Reasons


class BarList(msgspec.Struct):
    """A page of bars."""

    data: list[Bar]
    next: Cursor
    complete_from: CompleteFrom
    gaps: Gaps


class IndicatorList(msgspec.Struct):
    """A page of indicators."""

    data: list[Indicators]
    next: Cursor
    complete_from: CompleteFrom
    gaps: Gaps


class PairHistory(msgspec.Struct):
    """A page of a pair's history."""

    data: list[PairPoint]
    next: Cursor
    complete_from: CompleteFrom
    gaps: Gaps


DERIVED = (
    Bar, BarList, Indicators, IndicatorList, Correlations, Pair, PairPoint, PairHistory, Venues,
)  # fmt: skip
