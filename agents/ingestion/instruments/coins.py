"""CoinGecko's market list as coins, and which coins and markets are followed.

Source: CoinGecko API v3, `/coins/markets`. Symbols are not unique: of several coins with one
symbol the largest by market value keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec

from models.errors import FrameError
from models.records.reference import Coin, CoinFlag, Market

PAGE = 250
"""Coins that CoinGecko gives at most at once."""

_STABLECOINS = frozenset(
    {
        "tether", "usd-coin", "dai", "first-digital-usd", "true-usd", "paypal-usd", "usds",
        "ethena-usde", "frax", "pax-dollar", "binance-usd", "usdd", "gemini-dollar", "euro-coin",
        "simulated-tether", "simulated-usd-coin",
    }
)  # fmt: skip
_WRAPPED_WORDS = ("wrapped", "staked", "bridged", "restaked")


class _Entry(msgspec.Struct):
    id: str
    symbol: str
    name: str
    market_cap: float | None = None
    market_cap_rank: int | None = None
    total_volume: float | None = None
    price_change_percentage_24h: float | None = None
    last_updated: str | None = None


def coins_of(body: bytes) -> list[Coin]:
    """Return the coins of one page.

    Raises:
        FrameError: it is none.
    """
    try:
        entries = msgspec.json.decode(body, type=list[_Entry])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError("malformed_frame", f"expected coins, {error}") from error
    return [
        Coin(
            coin=each.symbol.upper(),
            id=each.id,
            name=each.name,
            rank=each.market_cap_rank,
            market_value=each.market_cap,
            volume_24h=each.total_volume,
            change_24h=each.price_change_percentage_24h,
            flags=_flags(each),
            source="coingecko",
            source_time=each.last_updated,
        )
        for each in entries
    ]


def unique_coins(coins: Iterable[Coin]) -> list[Coin]:
    """Return one coin a symbol, the largest by market value; in falling order of it."""
    ordered = sorted(coins, key=lambda coin: -(coin.market_value or 0.0))
    kept: dict[str, Coin] = {}
    for coin in ordered:
        kept.setdefault(coin.coin, coin)
    return list(kept.values())


def followed(
    coins: Sequence[Coin], markets: Iterable[Market], count: int, quote_currencies: Sequence[str]
) -> tuple[list[Coin], list[Market]]:
    """Return the first `count` coins that a market trades, and their online markets.

    Stablecoins and wrapped coins are not followed: they are another coin's price.
    """
    wanted = set(quote_currencies)
    by_coin: dict[str, list[Market]] = {}
    for market in markets:
        if market.quote_currency in wanted and market.status == "online":
            by_coin.setdefault(market.coin, []).append(market)
    chosen = [coin for coin in coins if not coin.flags and coin.coin in by_coin][:count]
    return chosen, [market for coin in chosen for market in by_coin[coin.coin]]


def _flags(entry: _Entry) -> list[CoinFlag]:
    name = entry.name.lower()
    found = {
        "stablecoin": entry.id in _STABLECOINS,
        "wrapped": any(word in name for word in _WRAPPED_WORDS),
    }
    return [flag for flag in get_args(CoinFlag) if found[flag]]
