"""The state of a market's feed for display: from what the line knows to a `feeds` record."""

from __future__ import annotations

import msgspec

from agents.ingestion.source_state import MarketCounts, SourceState
from models.records.reference import Feed, FeedStatus, Market
from models.times import iso_microseconds

_SECOND = 1_000_000_000
QUIET_AFTER_S = 60


class FeedView(msgspec.Struct):
    """What was last published of a market, to see changes."""

    status: FeedStatus
    since: int
    counts: tuple[int, ...] = ()


def feed_status(source: SourceState, market: str, now: int) -> FeedStatus:
    """Return how a market's feed is: unseen, not yet seen, without ticks for a while, or live."""
    why = source.why_unseen(("quotes", market))
    if why is not None:
        return why
    counts = source.counts.get(market)
    if counts is None or not counts.last_received:
        return "connecting"
    return "quiet" if now - counts.last_received > QUIET_AFTER_S * _SECOND else "live"


class FeedFacts(msgspec.Struct, frozen=True):
    """What a record needs besides the market and its counts; times in nanoseconds."""

    status: FeedStatus
    since: int
    now: int
    reconnects: int
    skew: int | None
    epoch: int
    totals: dict[str, int]


def feed_record(market: Market, counts: MarketCounts | None, facts: FeedFacts) -> Feed:
    """Return the `feeds` record of a market."""
    last = counts.last_received if counts else 0
    return Feed(
        market=market.market,
        exchange=market.exchange,
        coin=market.coin,
        status=facts.status,
        detail=None,
        since=iso_microseconds(facts.since),
        as_of=iso_microseconds(facts.now),
        last_frame=iso_microseconds(last) if last else None,
        last_price=counts.last_price if counts else None,
        reconnects=facts.reconnects,
        clock_skew_ms=None if facts.skew is None else facts.skew / 1e6,
        epoch=facts.epoch,
        **facts.totals,
    )
