"""Answers about orders as the documentation shows them."""

from __future__ import annotations

from typing import Any

_TIME = "2026-11-21T10:00:15Z"

ORDER_SUGGESTION: dict[str, Any] = {
    "market": "kraken:ETH-USD",
    "side": "buy",
    "as_of": _TIME,
    "price": 99.97,
    "tick_size": 0.01,
    "bid": 99.94,
    "ask": 100.06,
    "mid": 100.0,
    "reference_spread_bps": 6.0,
    "saving_bps": 24.0,
    "taker_cost_bps": 46.0,
    "maker_cost_bps": 22.0,
    "adverse_selection_bps": 0.0,
    "impact_n": 412,
    "chase_bps": 10.0,
    "break_even_fill_probability": 0.294,
    "fill_rate": {
        "horizon_s": 60,
        "window_s": 3600,
        "rate": 0.61,
        "n": 708,
        "coverage": 0.983,
        "low": 0.48,
        "high": 0.73,
        "miss_drift_bps": 3.1,
        "misses": 276,
        "assumption": "filled when a trade goes through the price within the horizon",
    },
    "maker_bps": 25.0,
    "taker_bps": 40.0,
    "indicative": True,
    "stale": False,
    "reasons": {},
}

ORDER_ROUTE: dict[str, Any] = {
    "from": "USD",
    "to": "ETH",
    "as_of": _TIME,
    "routes": [
        {
            "exchange": "kraken",
            "legs": [
                {
                    "market": "kraken:ETH-USD",
                    "side": "buy",
                    "price": 100.06,
                    "spread_bps": 12.0,
                    "fee_bps": 40.0,
                    "cost_bps": 45.96,
                }
            ],
            "rate": 0.0099540,
            "mid_rate": 0.01,
            "cost_bps": 45.96,
            "indicative": True,
            "reasons": {},
        }
    ],
    "best": 0,
    "left_out": {},
    "indicative": True,
    "reasons": {},
}
