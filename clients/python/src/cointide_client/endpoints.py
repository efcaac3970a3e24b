"""Where the gateway answers what: paths and parameters."""

from __future__ import annotations

from typing import Any

from cointide_client.errors import MarketError
from cointide_client.times import Time, iso

Parameters = dict[str, Any]
"""By name; None is not sent."""

Endpoint = tuple[str, Parameters, str]
"""The path of a range, its parameters, and the column that is the index of its rows."""


def spreads(market: str, start: Time, end: Time, interval: str, aggregate: str) -> Endpoint:
    """Return where the spreads of a market are; those of every second have no aggregate."""
    choice = range_parameters(start, end)
    if interval != "1s":
        choice |= {"interval": interval, "aggregate": aggregate}
    return f"/v1/spreads/{market_path(market)}/history", choice, "as_of"


def ticks(kind: str, market: str, start: Time, end: Time) -> Endpoint:
    """Return where the `quotes` or `trades` of a market are."""
    return f"/v1/markets/{market_path(market)}/{kind}", range_parameters(start, end), "time"


def feeds(market: str, start: Time, end: Time) -> Endpoint:
    """Return where the changes of a feed's status are."""
    return f"/v1/feeds/{market_path(market)}/history", range_parameters(start, end), "since"


def bars_parameters(
    interval: str, start: Time, end: Time, quote: str, exchange: str | None
) -> Parameters:
    """Return what bars, and indicators of them, are chosen by."""
    choice = {"interval": interval, "quote": quote, "exchange": exchange}
    return choice | range_parameters(start, end)


def table_parameters(window: str, sampling: str | None, method: str) -> Parameters:
    """Return what a table of correlations is chosen by."""
    return {"window": window, "sampling": sampling, "method": method}


def range_parameters(start: Time, end: Time) -> Parameters:
    """Return the parameters of `[start, end)`.

    Raises:
        TimeError: a time does not say its zone.
    """
    return {"start": iso(start), "end": iso(end)}


def market_path(market: str) -> str:
    """Return a market as it stands in a path.

    Raises:
        MarketError: it is none.

    >>> market_path("kraken:BTC-USD")
    'kraken/BTC-USD'
    """
    exchange, _, pair = market.partition(":")
    if not exchange or not pair or "/" in market:
        raise MarketError(f"expected a market as kraken:BTC-USD, was {market!r}")
    return f"{exchange}/{pair}"
