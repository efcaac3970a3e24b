"""The answers of history, as they are described."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.gateway.documentation.feed_schemas import Feed
from services.gateway.documentation.kinds import (
    CompleteFrom,
    Cursor,
    Gaps,
    MarketKey,
    Reasons,
    Time,
)

_Count = Annotated[float, Meta(description="of a mean the mean count")]


class SpreadRow(msgspec.Struct, kw_only=True):
    """The spread figures of one market as of a time; `windows` as of `/v1/spreads`.

    Of an interval above a second `rows` is how many seconds it rests on, `rows_seen` how many of
    these have a mid.
    """

    market: MarketKey
    exchange: str
    coin: str
    quote_currency: str
    as_of: Time
    bid: float | None
    ask: float | None
    mid: float | None
    spread: float | None
    spread_bps: float | None
    bid_size: float | None
    ask_size: float | None
    imbalance: float | None
    windows: dict[str, dict[str, float | None]]
    effective_bps: float | None
    trades_n: _Count
    trades_coverage: Annotated[float, Meta(ge=0, le=1)]
    realised_5s_bps: float | None
    realised_5s_n: _Count
    impact_5s_bps: float | None
    realised_60s_bps: float | None
    realised_60s_n: _Count
    impact_60s_bps: float | None
    baseline_bps: float | None
    baseline_sigma: float | None
    z: float | None
    z_n: _Count
    half_life_s: float | None
    half_life_n: _Count
    stale: bool
    reasons: Reasons
    rows: int | msgspec.UnsetType = msgspec.UNSET
    rows_seen: int | msgspec.UnsetType = msgspec.UNSET


class SpreadHistory(msgspec.Struct, kw_only=True):
    """A page of spreads; the last three are there where the interval is above a second."""

    data: list[SpreadRow]
    next: Cursor
    complete_from: CompleteFrom
    gaps: Gaps
    interval: str | msgspec.UnsetType = msgspec.UNSET
    aggregate: Literal["last", "mean"] | msgspec.UnsetType = msgspec.UNSET
    seconds: int | msgspec.UnsetType = msgspec.UNSET


class FeedHistory(msgspec.Struct):
    """A page of changes: the feed from `since` on, its counters as of when it was told."""

    data: list[Feed]
    next: Cursor
    complete_from: CompleteFrom
    gaps: Gaps


class QuoteTick(msgspec.Struct):
    """A quote as it was published; `offset` and `row` are its place in the log."""

    market: MarketKey
    coin: str
    time: Time
    receive_time: Time
    own_time: Annotated[Time | None, Meta(description="the exchange's own, where it tells one")]
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    bid_text: Annotated[str | None, Meta(description="the wire's digits")]
    ask_text: str | None
    flags: list[str]
    offset: int
    row: int


class QuoteTicks(msgspec.Struct):
    """A page of quotes."""

    data: list[QuoteTick]
    next: Cursor
    complete_from: CompleteFrom
    gaps: Gaps


class TradeTick(msgspec.Struct):
    """A trade as it was published; `side` is the taker's."""

    market: MarketKey
    coin: str
    time: Time
    receive_time: Time
    own_time: Time | None
    price: float
    size: float
    price_text: str
    side: Literal["buy", "sell"]
    trade_id: int
    flags: list[str]
    offset: int
    row: int


class TradeTicks(msgspec.Struct):
    """A page of trades."""

    data: list[TradeTick]
    next: Cursor
    complete_from: CompleteFrom
    gaps: Gaps


HISTORY = (
    SpreadRow, SpreadHistory, FeedHistory, QuoteTick, QuoteTicks, TradeTick, TradeTicks,
)  # fmt: skip
