"""One example of every answer, as OpenAPI shows them. A test holds them to the schemas."""

from __future__ import annotations

from typing import Any

_TIME = "2026-11-21T10:00:15Z"
_MARKET = {
    "market": "kraken:BTC-USD",
    "exchange": "kraken",
    "coin": "BTC",
    "quote_currency": "USD",
}

SPREAD: dict[str, Any] = {
    **_MARKET,
    "as_of": _TIME,
    "bid": 63507.6,
    "ask": 63507.7,
    "mid": 63507.65,
    "spread": 0.1,
    "spread_bps": 0.0157,
    "windows": {
        "15s": {
            "mean": 0.12,
            "mean_bps": 0.0189,
            "tick_mean": 0.13,
            "min": 0.1,
            "max": 0.4,
            "n": 212,
            "coverage": 1.0,
            "imbalance": 0.21,
            "depth": 104803.2,
            "trade_low": 63505.1,
            "trade_high": 63508.0,
            "trades_n": 17,
        }
    },
    "bid_size": 1.25,
    "ask_size": 0.4,
    "imbalance": 0.5152,
    "effective_bps": 0.02,
    "trades_n": 17,
    "trades_coverage": 1.0,
    "realised_5s_bps": 0.01,
    "realised_5s_n": 15,
    "impact_5s_bps": 0.01,
    "realised_60s_bps": None,
    "realised_60s_n": 0,
    "impact_60s_bps": None,
    "baseline_bps": 0.0193,
    "baseline_sigma": 0.11,
    "z": -0.4,
    "z_n": 180,
    "half_life_s": 4.2,
    "half_life_n": 179,
    "stale": False,
    "reasons": {"realised_60s_bps": "no_trades", "impact_60s_bps": "no_trades"},
}

QUOTE: dict[str, Any] = {
    **_MARKET,
    "as_of": "2026-11-21T10:00:15.250000Z",
    "time": "2026-11-21T10:00:15.204311Z",
    "receive_time": "2026-11-21T10:00:15.231100Z",
    "bid": 63507.6,
    "bid_size": 1.25,
    "ask": 63507.7,
    "ask_size": 0.4,
    "mid": 63507.65,
    "flags": [],
    "stale": False,
    "reasons": {},
}

MARKET: dict[str, Any] = {
    **_MARKET,
    "symbol": "BTC/USD",
    "tick_size": 0.1,
    "lot_size": 1e-08,
    "least_size": 0.0001,
    "status": "online",
    "source": "kraken",
    "source_time": _TIME,
    "as_of": "2026-11-21T10:00:15.250000Z",
    "quote": QUOTE,
    "stale": False,
    "reasons": {},
}

COIN: dict[str, Any] = {
    "coin": "BTC",
    "id": "bitcoin",
    "name": "Bitcoin",
    "rank": 1,
    "market_value": 1.26e12,
    "volume_24h": 3.1e10,
    "change_24h": -0.8,
    "reference_price": 63507.65,
    "reference_quote_currency": "USD",
    "reference_as_of": "2026-11-21T10:00:10Z",
    "flags": [],
    "source": "coingecko",
    "source_time": _TIME,
    "as_of": _TIME,
    "stale": False,
    "reasons": {},
}

FEED: dict[str, Any] = {
    "market": "kraken:BTC-USD",
    "exchange": "kraken",
    "coin": "BTC",
    "status": "live",
    "detail": None,
    "since": "2026-11-21T09:00:00Z",
    "as_of": _TIME,
    "last_frame": "2026-11-21T10:00:15.231100Z",
    "last_price": 63507.7,
    "quotes": 51234,
    "trades": 812,
    "late": 3,
    "crossed": 0,
    "gaps": 1,
    "trades_lost": 0,
    "reconnects": 1,
    "clock_skew_ms": 12.5,
    "epoch": 7,
    "stale": False,
    "reasons": {},
}

CATALOG: dict[str, Any] = {
    "source": "simulated",
    "is_simulated": True,
    "exchanges": ["binance", "coinbase", "kraken"],
    "coins": ["BTC", "ETH"],
    "markets": ["kraken:BTC-USD", "kraken:ETH-USD"],
    "quote_currencies": ["USD"],
    "windows": ["15s"],
    "methods": ["pearson"],
    "intervals": ["1m", "5m", "1h", "1d"],
    "tables": [
        {
            "table": "1h.60s.pearson",
            "key": "1h.pearson",
            "window": "1h",
            "sampling": "60s",
            "method": "pearson",
            "step_s": 10,
            "coins": 20,
        }
    ],
    "channels": ["quotes", "trades", "spreads", "feeds", "bars", "indicators", "correlations"],
}

PROBLEM: dict[str, Any] = {
    "type": "urn:cointide:problem:unknown-coin",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "expected a known coin, was 'NOPE'",
    "instance": "/v1/spreads",
}


def page_of(example: dict[str, Any]) -> dict[str, Any]:
    """Return a page with one example."""
    return {"data": [example], "next": None}
