"""The channels of the stream, and how their keys are written."""

from __future__ import annotations

from collections.abc import Sequence

from models.records.bars import INTERVAL_SECONDS, BarInterval

BY_MARKET = ("quotes", "trades", "spreads", "feeds")
BY_INTERVAL = ("bars", "indicators")
CHANNELS = (*BY_MARKET, *BY_INTERVAL, "correlations")


def key_of(market: str, interval: str) -> str:
    """Return the key of a market's bars.

    >>> key_of("kraken:BTC-USD", "1m")
    'kraken:BTC-USD|1m'
    """
    return f"{market}|{interval}"


def split_key(key: str) -> tuple[str, BarInterval] | None:
    """Return market and interval of a key of bars, None if it is no such key.

    >>> split_key("kraken:BTC-USD|1m"), split_key("kraken:BTC-USD|7m")
    (('kraken:BTC-USD', '1m'), None)
    """
    market, _, interval = key.rpartition("|")
    return (market, interval) if interval in INTERVAL_SECONDS else None


def market_keys(market: str) -> Sequence[str]:
    """Return the keys under which something of a market is sent, on whatever channel.

    >>> market_keys("kraken:BTC-USD")[:2]
    ['kraken:BTC-USD', 'kraken:BTC-USD|1m']
    """
    return [market, *(key_of(market, interval) for interval in INTERVAL_SECONDS)]
