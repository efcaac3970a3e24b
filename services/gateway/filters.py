"""Which markets a request means; what it names must be known."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from models.markets import coin_of, exchange_of
from services.gateway.dependencies import ReadyGateway
from services.gateway.memory.memory import Memory
from services.gateway.problems import RefusedError, UnknownThingError

ExchangeFilter = Annotated[str | None, Query(description="Of this exchange only.")]
CoinFilter = Annotated[str | None, Query(description="Of this coin only.")]
QuoteFilter = Annotated[str | None, Query(description="In this quote currency only.")]


async def _filtered_markets(
    gateway: ReadyGateway,
    exchange: ExchangeFilter = None,
    coin: CoinFilter = None,
    quote: QuoteFilter = None,
) -> list[str]:
    # Memory belongs to the event loop: a plain function would run on a thread beside it.
    return chosen_markets(gateway.memory, exchange, coin, quote)


ChosenMarkets = Annotated[list[str], Depends(_filtered_markets)]
"""The markets that a list is wanted of, by name."""


def chosen_markets(
    memory: Memory,
    exchange: str | None = None,
    coin: str | None = None,
    quote: str | None = None,
) -> list[str]:
    """Return the markets that fit, by name.

    Raises:
        RefusedError: `unknown_exchange`, `unknown_coin` or `unknown_quote_currency`.
    """
    markets = memory.markets()
    if exchange is not None:
        expect_known(exchange, "exchange", {*memory.exchanges})
        markets = [market for market in markets if exchange_of(market) == exchange]
    if coin is not None:
        expect_known(coin, "coin", {*memory.all_coins()})
        markets = [market for market in markets if coin_of(market) == coin]
    if quote is not None:
        expect_known(quote, "quote_currency", {*map(quote_of, memory.markets())})
        markets = [market for market in markets if quote_of(market) == quote]
    return markets


def known_market(memory: Memory, exchange: str, pair: str) -> str:
    """Return the market that a path names.

    Raises:
        UnknownThingError: there is none.
    """
    market = f"{exchange}:{pair}"
    if not memory.knows_market(market):
        raise UnknownThingError("unknown_market", f"expected a market, was {exchange}/{pair}")
    return market


def quote_of(market: str) -> str:
    """Return the quote currency of a market.

    >>> quote_of("kraken:BTC-USD")
    'USD'
    """
    return market.rpartition("-")[2]


def expect_known(value: str, what: str, known: set[str]) -> None:
    """Refuse a value that is not known.

    Raises:
        RefusedError: `unknown_exchange`, `unknown_coin` or `unknown_quote_currency`.
    """
    if value not in known:
        raise RefusedError(f"unknown_{what}", f"expected a known {what}, was {value!r}")
