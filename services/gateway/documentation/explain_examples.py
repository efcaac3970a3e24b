"""An explanation of a row of spreads, as the documentation shows it; of most figures one."""

from __future__ import annotations

from typing import Any

_BEGIN = "2026-11-21T10:00:00Z"
_QUOTE = {"bid": 100.0, "bid_size": 3.0, "ask_size": 1.0, "state": "good", "counted": True}
_AT = {"topic": "kraken_quotes", "partition": 3, "offset": 81234, "row": 0}

SPREAD_EXPLANATION: dict[str, Any] = {
    "market": "kraken:BTC-USD",
    "exchange": "kraken",
    "coin": "BTC",
    "quote_currency": "USD",
    "as_of": "2026-11-21T10:00:15Z",
    "window": "15s",
    "window_start": _BEGIN,
    "held_in": ["archive", "log"],
    "agrees": True,
    "not_held": [],
    "figures": {
        "spread": {
            "published": 0.2,
            "recomputed": 0.2,
            "difference": 0.0,
            "formula": "ask − bid, of the decimals",
            "inputs": {
                "quote_time": "2026-11-21T10:00:10.000000000Z",
                "bid": 100.0,
                "ask": 100.2,
                "bid_size": 3.0,
                "ask_size": 1.0,
            },
            "reason": None,
        },
        "windows.15s.mean": {
            "published": 0.13333333333333333,
            "recomputed": 0.13333333333333333,
            "difference": 0.0,
            "formula": "Σ spread × seconds ÷ Σ seconds, over quotes",
            "inputs": {"sum": 2.0, "seconds": 15.0},
            "reason": None,
        },
        "effective_bps": {
            "published": None,
            "recomputed": None,
            "difference": 0.0,
            "formula": "Σ 2·10⁴ side (price − mid) ÷ mid ÷ n, over trades",
            "inputs": {"sum": 0.0, "n": 0.0},
            "reason": "no_trades",
        },
    },
    "quotes": [
        {
            **_QUOTE,
            "time": "2026-11-21T09:59:59.500000000Z",
            "ask": 100.1,
            "spread": 0.1,
            "spread_bps": 9.995002498750625,
            "seconds": 10.0,
            "counted": False,
            "carried": True,
            "at": _AT,
        },
        {
            **_QUOTE,
            "time": "2026-11-21T10:00:10.000000000Z",
            "ask": 100.2,
            "spread": 0.2,
            "spread_bps": 19.98001998001998,
            "seconds": 5.0,
            "carried": False,
            "at": {**_AT, "offset": 81275},
        },
    ],
    "quotes_total": 2,
    "unseen": [],
    "trades": [],
    "trades_total": 0,
    "panes": [
        {
            "start": "2026-11-21T09:30:00.000000000Z",
            "mean_bps": 9.995002498750625,
            "x": 2.3020852179,
        }
    ],
    "reasons": {"effective_bps": "no_trades"},
}
