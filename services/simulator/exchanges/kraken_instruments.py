"""Kraken's markets as its `instrument` channel and its REST interface describe them.

Sources: https://docs.kraken.com/api/docs/websocket-v2/instrument and
https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs. The websocket calls bitcoin
BTC, REST calls it XBT; old coins have names with a letter in front there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.markets import KRAKEN_ALIASES
from services.simulator.market.state import Market

_REST_ALIASES = {usual: own for own, usual in KRAKEN_ALIASES.items()}
_OLD_COINS = {"BTC": "XXBT", "ETH": "XETH", "XRP": "XXRP", "LTC": "XLTC", "XLM": "XXLM",
              "ETC": "XETC", "DOGE": "XXDG", "USD": "ZUSD"}  # fmt: skip


def instrument_lists(symbols: Mapping[str, Market]) -> dict[str, Any]:
    """Return assets and pairs as the `instrument` channel sends them."""
    listings = [(symbol, market.listing) for symbol, market in symbols.items()]
    assets = sorted({each.base for _, each in listings} | {each.quote for _, each in listings})
    return {
        "assets": [
            {"id": asset, "status": "enabled", "precision": 10, "precision_display": 5,
             "borrowable": False, "collateral_value": 0.0}
            for asset in assets
        ],
        "pairs": [
            {
                "symbol": symbol,
                "base": listing.base,
                "quote": listing.quote,
                "status": "online",
                "qty_precision": 8,
                "price_precision": listing.price_digits,
                "price_increment": round(0.1**listing.price_digits, listing.price_digits),
                "qty_increment": round(0.1**listing.size_digits, listing.size_digits),
                "qty_min": round(0.1**listing.size_digits, listing.size_digits),
                "cost_precision": 5,
                "cost_min": "0.5",
                "marginable": False,
                "has_index": True,
            }
            for symbol, listing in listings
        ],
    }  # fmt: skip


def rest_asset(coin: str) -> str:
    """Return what REST calls a coin.

    >>> rest_asset("BTC"), rest_asset("SOL")
    ('XXBT', 'SOL')
    """
    return _OLD_COINS.get(coin, coin)


def alternative_name(coin: str) -> str:
    """Return a coin's name within `altname` and `wsname`.

    >>> alternative_name("BTC")
    'XBT'
    """
    return _REST_ALIASES.get(coin, coin)


def rest_pair(market: Market) -> str:
    """Return the key of a pair in REST answers: of two old names both, else both short ones."""
    base, quote = market.listing.base, market.listing.quote
    if base in _OLD_COINS and quote in _OLD_COINS and base != "DOGE":
        return rest_asset(base) + rest_asset(quote)
    return alternative_name(base) + alternative_name(quote)


def asset_pair(market: Market) -> dict[str, Any]:
    """Return a pair as `AssetPairs` describes it."""
    listing = market.listing
    base, quote = alternative_name(listing.base), alternative_name(listing.quote)
    return {
        "altname": base + quote,
        "wsname": f"{base}/{quote}",
        "aclass_base": "currency",
        "base": rest_asset(listing.base),
        "aclass_quote": "currency",
        "quote": rest_asset(listing.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": listing.price_digits,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4], [10_000, 0.35]],
        "fees_maker": [[0, 0.25], [10_000, 0.2]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": f"{0.1**listing.size_digits:.{listing.size_digits}f}",
        "costmin": "0.5",
        "tick_size": f"{0.1**listing.price_digits:.{listing.price_digits}f}",
        "status": "online",
    }
