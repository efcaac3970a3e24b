"""Binance's symbols, which do not say where the base ends: `BTCUSDT` is `BTC-USDT`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from agents.ingestion.exchanges.fields import UNDECODABLE, malformed
from models.markets import BINANCE_QUOTE_CURRENCIES, market_name

Instruments = Mapping[str, tuple[str, str]]
"""Base and quote by symbol, as `/api/v3/exchangeInfo` gives them."""

_LONGEST_FIRST = sorted(BINANCE_QUOTE_CURRENCIES, key=len, reverse=True)


def market_of(symbol: str, instruments: Instruments) -> tuple[str, bool]:
    """Return the market of a symbol, and whether it had to be guessed.

    A symbol that is not in the list is split before the longest known quote currency.

    Raises:
        FrameError: it ends in none, or is none.

    >>> market_of("BTCUSDT", {})
    ('binance:BTC-USDT', True)
    """
    pair = instruments.get(symbol)
    if pair is not None:
        return market_name("binance", *pair), False
    for quote in _LONGEST_FIRST:
        base = symbol.removesuffix(quote)
        if base != symbol:
            return market_name("binance", base, quote), True
    raise malformed("a symbol that ends in a known quote currency", symbol)


class _Symbol(msgspec.Struct):
    symbol: str
    baseAsset: str  # noqa: N815 - Binance's name
    quoteAsset: str  # noqa: N815 - Binance's name


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


def instruments_of(body: str) -> dict[str, tuple[str, str]]:
    """Return the instrument list of an `/api/v3/exchangeInfo` answer.

    Raises:
        FrameError: it is none.
    """
    try:
        info = msgspec.json.decode(body, type=_ExchangeInfo)
    except UNDECODABLE as error:
        raise malformed("an exchangeInfo answer", str(error)) from error
    return {each.symbol: (each.baseAsset, each.quoteAsset) for each in info.symbols}
