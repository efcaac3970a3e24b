"""Spreads as the public interface shows them."""

from __future__ import annotations

from models.markets import coin_of, exchange_of
from services.gateway.filters import quote_of
from services.gateway.items import Figures
from services.gateway.memory.memory import Memory

_FIELDS = (
    "as_of", "bid", "ask", "mid", "spread", "spread_bps", "bid_size", "ask_size", "imbalance",
    "effective_bps", "realised_5s_bps", "impact_5s_bps", "realised_60s_bps", "impact_60s_bps",
    "baseline_bps", "baseline_sigma", "z", "half_life_s",
)  # fmt: skip
_COUNTS = ("trades_n", "realised_5s_n", "realised_60s_n", "z_n", "half_life_n")


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
        **dict.fromkeys(_COUNTS, 0),
        "trades_coverage": 0.0,
        "windows": {},
        "stale": True,
        "reasons": dict.fromkeys((*_FIELDS, "windows"), "warming"),
    }
