"""Spreads as the public interface shows them."""

from __future__ import annotations

from models.markets import coin_of, exchange_of
from services.gateway.filters import quote_of
from services.gateway.items import Figures
from services.gateway.memory.memory import Memory

_FIELDS = ("as_of", "bid", "ask", "mid", "spread", "spread_bps")


def spread_figures(memory: Memory, market: str) -> Figures:
    """Return the newest spread of a market; before the first one everything is `warming`."""
    figures = memory.spreads.figures(market)
    if figures is not None:
        return figures
    return {
        "market": market,
        "exchange": exchange_of(market),
        "coin": coin_of(market),
        "quote_currency": quote_of(market),
        **dict.fromkeys(_FIELDS),
        "windows": {},
        "stale": True,
        "reasons": dict.fromkeys((*_FIELDS, "windows"), "warming"),
    }
