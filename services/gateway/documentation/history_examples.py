"""One example of every answer of history."""

from __future__ import annotations

from typing import Any

from services.gateway.documentation.examples import FEED, SPREAD

_BEGIN = "2026-11-01T00:00:00Z"
_TICK: dict[str, Any] = {
    "market": "kraken:BTC-USD",
    "coin": "BTC",
    "time": "2026-11-21T10:00:15.204311Z",
    "receive_time": "2026-11-21T10:00:15.231100Z",
    "own_time": "2026-11-21T10:00:15.204311Z",
}
_PLACE = {"flags": [], "offset": 81234, "row": 3}

QUOTE_TICK: dict[str, Any] = {
    **_TICK,
    "bid": 63507.6,
    "bid_size": 1.25,
    "ask": 63507.7,
    "ask_size": 0.4,
    "bid_text": "63507.6",
    "ask_text": "63507.7",
    **_PLACE,
}
TRADE_TICK: dict[str, Any] = {
    **_TICK,
    "price": 63507.7,
    "size": 0.01,
    "price_text": "63507.7",
    "side": "buy",
    "trade_id": 712345,
    **_PLACE,
}


def history_page(example: dict[str, Any], **about: Any) -> dict[str, Any]:
    """Return a page with one example."""
    return {"data": [example], "next": None, "complete_from": _BEGIN, "gaps": [], **about}


SPREAD_HISTORY = history_page(
    {**SPREAD, "as_of": "2026-11-21T10:00:20Z", "rows": 10, "rows_seen": 10},
    interval="10s",
    aggregate="last",
    seconds=10,
)
FEED_HISTORY = history_page(FEED)
QUOTE_TICKS = history_page(QUOTE_TICK)
TRADE_TICKS = history_page(TRADE_TICK)
