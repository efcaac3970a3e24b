"""Markets: `exchange:BASE-QUOTE`, and how exchanges' own symbols become them."""

from __future__ import annotations

import re

from models.errors import FrameError

_COIN = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,31}\Z")

# What Kraken calls by a name of its own (AssetPairs REST, websocket v1).
KRAKEN_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}

# Binance's quote currencies, for symbols without an instrument list; the longest match wins.
BINANCE_QUOTE_CURRENCIES = (
    "FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USDP", "USD1", "BIDR", "IDRT", "BVND", "EURI",
    "AEUR", "BTC", "ETH", "BNB", "XRP", "TRX", "DOT", "DOGE", "SOL", "PAX", "DAI", "UST", "VAI",
    "EUR", "GBP", "AUD", "RUB", "TRY", "BRL", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "JPY",
    "MXN", "COP", "CZK", "IDR",
)  # fmt: skip


def market_name(exchange: str, base: str, quote: str) -> str:
    """Return the name of a market.

    Raises:
        FrameError: base or quote is no coin's name.

    >>> market_name("kraken", "BTC", "USD")
    'kraken:BTC-USD'
    """
    if not (_COIN.match(base) and _COIN.match(quote)):
        raise FrameError("malformed_frame", f"expected two coins, was {base!r} and {quote!r}")
    return f"{exchange}:{base}-{quote}"


def coin_of(market: str) -> str:
    """Return the base asset of a market.

    >>> coin_of("kraken:BTC-USD")
    'BTC'
    """
    return market[market.index(":") + 1 : market.rindex("-")]


def exchange_of(market: str) -> str:
    """Return the exchange of a market.

    >>> exchange_of("kraken:BTC-USD")
    'kraken'
    """
    return market[: market.index(":")]
