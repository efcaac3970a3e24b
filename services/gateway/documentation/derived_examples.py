"""One example of every answer about bars, indicators, correlations and venues."""

from __future__ import annotations

from typing import Any

_START = "2026-11-21T10:00:00Z"
_TIME = "2026-11-21T10:01:00Z"
_OF_MARKET = {
    "market": "kraken:BTC-USD",
    "exchange": "kraken",
    "coin": "BTC",
    "quote_currency": "USD",
    "interval": "1m",
    "start": _START,
    "as_of": _TIME,
}

BAR: dict[str, Any] = {
    **_OF_MARKET,
    "open": 63507.6,
    "high": 63519.9,
    "low": 63501.2,
    "close": 63512.3,
    "volume": 4.21,
    "quote_volume": 267383.4,
    "vwap": 63511.5,
    "n": 87,
    "first_trade": "2026-11-21T10:00:00.204311Z",
    "last_trade": "2026-11-21T10:00:59.811020Z",
    "coverage": 1.0,
    "source": "live",
    "stale": False,
    "reasons": {},
}

INDICATORS: dict[str, Any] = {
    **_OF_MARKET,
    "n": 42,
    "sma_20": 63490.1,
    "ema_20": 63494.8,
    "bollinger_upper": 63560.3,
    "bollinger_lower": 63419.9,
    "rsi_14": 55.2,
    "atr_14": 21.4,
    "realised_volatility": None,
    "vwap_20": 63493.0,
    "source": "mixed",
    "stale": False,
    "reasons": {"realised_volatility": "warming"},
}

_TABLE = {"table": "1h.60s.pearson", "window": "1h", "sampling": "60s", "method": "pearson"}

CORRELATIONS: dict[str, Any] = {
    **_TABLE,
    "as_of": _TIME,
    "coins": ["BTC", "ETH"],
    "matrix": [[1.0, 0.83], [0.83, 1.0]],
    "sigma": [0.41, 0.58],
    "n": [[360, 358], [358, 358]],
    "n_effective": [[88.8, 88.3], [88.3, 88.3]],
    "low": [[1.0, 0.75], [0.75, 1.0]],
    "high": [[1.0, 0.887], [0.887, 1.0]],
    "repaired": False,
    "ticks": [92.5, 61.0],
    "masked": [],
    "rest_share": 0.0,
    "change": {
        "against": "24h.5m.pearson",
        "average": {"z": 0.4, "distance": 0.7, "is_changed": False},
        "pairs": [{"coins": ["BTC", "ETH"], "z": 2.3, "correlation": 0.83, "against": 0.7}],
    },
    "stale": [],
    "reasons": {},
}

PAIR: dict[str, Any] = {
    **_TABLE,
    "as_of": _TIME,
    "coins": ["BTC", "ETH"],
    "correlation": 0.83,
    "low": 0.75,
    "high": 0.887,
    "n": 358,
    "n_effective": 88.3,
    "sigma": [0.41, 0.58],
    "ticks": [92.5, 61.0],
    "masked": [],
    "rest_share": 0.0,
    "change": {"against": "24h.5m.pearson", "correlation": 0.7, "z": 2.3, "is_changed": True},
    "stale": [],
    "reasons": {},
    "returns": [[0.00021, 0.00034], [-0.00012, -0.0001]],
}

PAIR_POINT: dict[str, Any] = {
    "as_of": _TIME,
    "window": "1h",
    "correlation": 0.83,
    "low": 0.75,
    "high": 0.887,
    "n": 358,
    "n_effective": 88.3,
    "stale": False,
    "reasons": {},
}


def _venue(exchange: str, bid: float, ask: float, taker_bps: float) -> dict[str, Any]:
    return {
        "market": f"{exchange}:BTC-USD",
        "exchange": exchange,
        "as_of": _TIME,
        "time": "2026-11-21T10:00:59.750000Z",
        "age_s": 0.25,
        "bid": bid,
        "bid_size": 0.5,
        "ask": ask,
        "ask_size": 0.4,
        "mid": (bid + ask) / 2,
        "taker_bps": taker_bps,
        "stale": False,
        "reasons": {},
    }


VENUES: dict[str, Any] = {
    "coin": "BTC",
    "quote_currency": "USD",
    "as_of": _TIME,
    "best_bid": {"price": 63510.0, "size": 0.5, "markets": ["kraken:BTC-USD"], "age_s": 0.25},
    "best_ask": {"price": 63505.0, "size": 0.4, "markets": ["coinbase:BTC-USD"], "age_s": 0.25},
    "spread_bps": -0.7873,
    "venues": [
        _venue("coinbase", 63504.0, 63505.0, 60.0),
        _venue("kraken", 63510.0, 63511.0, 40.0),
    ],
    "crossings": [
        {
            "buy": "coinbase:BTC-USD",
            "sell": "kraken:BTC-USD",
            "ask": 63505.0,
            "bid": 63510.0,
            "size": 0.4,
            "gross_bps": 0.7873,
            "net_bps": -98.62,
        }
    ],
    "left_out": [],
    "stale": False,
    "reasons": {},
}


def series_of(example: dict[str, Any]) -> dict[str, Any]:
    """Return a page of a series with one example."""
    return {"data": [example], "next": None, "complete_from": _START, "gaps": []}
