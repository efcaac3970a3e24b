"""Coins, markets and feeds: the newest record of a key counts, and some are taken away."""

from __future__ import annotations

from models.settings import Settings
from services.gateway.records import ReferenceRecord
from tests.unit.gateway.made import BTC, ETH, START, Desk, coin, feed, market, place, quote, quotes


def gone(topic: str, key: str) -> ReferenceRecord:
    """Return a record that takes a key away."""
    return ReferenceRecord(place(9, topic), key, None)


def test_what_is_taken_away_is_gone() -> None:
    """A record without a value takes its key away."""
    desk = Desk()
    memory = desk.gateway.memory
    desk.take(coin("BTC"), market(BTC), feed(1, BTC), market(ETH))
    desk.take(gone("coins", "BTC"), gone("markets", BTC), gone("feeds", BTC))
    assert (memory.markets(), memory.all_coins()) == ([ETH], ["ETH"])
    assert not memory.knows_market(BTC)
    assert memory.feeds.figures(BTC) is None


def test_a_feed_is_late_only_with_its_source() -> None:
    """Its record is written when something changes, so it may be old while all is well."""
    desk = Desk(Settings(source="live"))
    feeds = desk.gateway.memory.feeds
    desk.take(feed(1, BTC), quotes(0, 55.0, {BTC: quote(1.0)}))
    desk.clock.seconds = START + 59
    fresh = feeds.figures(BTC)
    assert fresh is not None
    assert (fresh["stale"], fresh["reasons"].get("as_of")) == (False, None)
    desk.clock.seconds = START + 61
    late = feeds.figures(BTC)
    assert late is not None
    assert (late["stale"], late["reasons"]["as_of"]) == (True, "line_delayed")
