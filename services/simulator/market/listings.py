"""Which exchange lists which pairs, on which grid of prices and sizes, how busy and how wide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from services.simulator.market.coins import PEGGED, Coin

EXCHANGES = ("binance", "coinbase", "kraken")

# The share of trading, how wide books are, and levels a side.
_SHARE = {"binance": 1.0, "coinbase": 0.6, "kraken": 0.4}
_WIDTH = {"binance": 0.7, "coinbase": 1.0, "kraken": 1.3}
_LEVELS = {"binance": 120, "coinbase": 220, "kraken": 60}
# One more digit of the price is quoted there.
_FINER = {"binance": 1, "coinbase": 1, "kraken": 0}
_QUOTE_SHARE = {"USD": 1.0, "USDT": 1.0, "BTC": 0.12}
_DOLLAR_MARKET = {"binance": "USDT", "coinbase": "USD", "kraken": "USD"}
_COINS_IN_BTC = {"binance": 0.6, "coinbase": 0.25, "kraken": 0.35}
_COINS_IN_TETHER = {"coinbase": 0.15, "kraken": 0.2}
_LISTED = 0.85
_ON_ALL = 10
# Below that a price in bitcoins has too few digits, and nobody lists it.
_LEAST_IN_BTC = 1e-6
_MOST_DIGITS = 10


class Listing(msgspec.Struct, frozen=True):
    """One market of one exchange.

    A price is a whole number of ticks of 10^−`price_digits`, a size one of lots of
    10^−`size_digits`. `spread` is the median of the quoted spread as a part of the price, which
    reverts with `spread_half_life_s`. `weight` is its share of all activity, `level_lots` the
    median size of a level and `levels` how many a side has.
    """

    exchange: str
    base: str
    quote: str
    price_digits: int
    size_digits: int
    spread: float
    spread_half_life_s: float
    weight: float
    level_lots: float
    levels: int

    @property
    def market(self) -> str:
        """The name of the market, as everything here calls it."""
        return f"{self.exchange}:{self.base}-{self.quote}"


def listings_of(coins: Sequence[Coin], rng: np.random.Generator) -> list[Listing]:
    """Return every market; the first coins are listed everywhere."""
    prices = {coin.symbol: coin.price for coin in coins} | {"USD": 1.0}
    for pegged in PEGGED:
        prices[pegged.symbol] = prices[pegged.anchor] * (1.0 + pegged.premium)
    return [
        _listing(exchange, base, quote, rank, prices, float(rng.uniform(0.6, 1.6)))
        for exchange in EXCHANGES
        for base, quote, rank in _pairs(exchange, coins, rng)
    ]


def _pairs(
    exchange: str, coins: Sequence[Coin], rng: np.random.Generator
) -> Iterator[tuple[str, str, int]]:
    """Yield base, quote and the rank by which the market is busy."""
    dollar = _DOLLAR_MARKET[exchange]
    for rank, coin in enumerate(coins, 1):
        listed, in_btc, in_tether = rng.uniform(size=3)
        if rank > _ON_ALL and listed > _LISTED:
            continue
        yield coin.symbol, dollar, rank
        enough = coin.price / coins[0].price >= _LEAST_IN_BTC and coin.symbol != "BTC"
        if enough and in_btc < _COINS_IN_BTC[exchange] + 1.0 / rank:
            yield coin.symbol, "BTC", rank
        if in_tether < _COINS_IN_TETHER.get(exchange, 0.0) + (exchange != "binance") / rank:
            yield coin.symbol, "USDT", rank * 4
    if exchange == "binance":
        yield "USDC", "USDT", 6
        yield "WBTC", "BTC", 30
    else:
        yield "USDT", "USD", 4
        yield "USDC", "USD", 8


def _listing(
    exchange: str, base: str, quote: str, rank: int, prices: dict[str, float], chance: float
) -> Listing:
    price = prices[base] / prices[quote]
    pegged = any(each.symbol == base for each in PEGGED)
    in_btc = quote == "BTC"
    width = 3e-5 * rank**0.6 * _WIDTH[exchange] * (2.5 if in_btc else 1.0) * chance
    if pegged:
        width = 1e-4
    digits = 6 - math.ceil(math.log10(price)) + _FINER[exchange] - (2 if pegged else 0)
    price_digits = min(max(digits, 0), _MOST_DIGITS)
    # A level is worth some thousand dollars, less where fewer trade; a lot about a cent.
    level_value = 6_000.0 / rank**0.5 * (0.3 if in_btc else 1.0)
    size_digits = min(max(math.ceil(math.log10(prices[base])) + 2, 0), 8)
    weight = _SHARE[exchange] * _QUOTE_SHARE[quote] * rank**-1.1 * chance
    return Listing(
        exchange,
        base,
        quote,
        price_digits,
        size_digits,
        max(width, 1.2 * 10.0**-price_digits / price),
        4.0 + 16.0 * (chance - 0.6),
        weight,
        level_value / prices[base] * 10.0**size_digits,
        _LEVELS[exchange],
    )
