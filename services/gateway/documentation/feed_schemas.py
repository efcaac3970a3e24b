"""A feed, as the newest one and its history are described."""

from __future__ import annotations

import msgspec

from models.records.reference import FeedStatus
from services.gateway.documentation.kinds import MarketKey, Reasons, Time


class Feed(msgspec.Struct):
    """The state of one market's feed."""

    market: MarketKey
    exchange: str
    coin: str
    status: FeedStatus
    detail: str | None
    since: Time
    as_of: Time
    last_frame: Time | None
    last_price: float | None
    quotes: int
    trades: int
    late: int
    crossed: int
    gaps: int
    trades_lost: int
    reconnects: int
    clock_skew_ms: float | None
    epoch: int
    stale: bool
    reasons: Reasons
