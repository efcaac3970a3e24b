"""The reference price of every coin, from the mids of its markets at one time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.markets import coin_of

NO_CURRENCY = -1


class Markets:
    """Numbers for markets and coins, as they are met; never given to another one.

    `coin` and `currency` have one value a market: the number of its coin, and the place of its
    quote currency among the reference currencies, `NO_CURRENCY` where it is none of them.
    """

    def __init__(self, reference_currencies: Sequence[str]) -> None:
        """Know no market yet."""
        self.reference_currencies = tuple(reference_currencies)
        self.coins: list[str] = []
        self.coin = np.zeros(0, np.intp)
        self.currency = np.zeros(0, np.int8)
        self._coin_numbers: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def numbers(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return the numbers of markets.

        Raises:
            ValueError: a name is that of no market.
        """
        known = self._numbers
        new = dict.fromkeys(name for name in names if name not in known)
        if new:
            self._add(list(new))
        return np.fromiter((known[name] for name in names), np.intp, len(names))

    def coin_number(self, coin: str) -> int:
        """Return the number of a coin."""
        number = self._coin_numbers.get(coin)
        if number is None:
            number = self._coin_numbers[coin] = len(self.coins)
            self.coins.append(coin)
        return number

    def _add(self, names: Sequence[str]) -> None:
        # All are read before any is kept: a record with a bad name leaves nothing behind.
        parts = [(name, coin_of(name), name[name.rindex("-") + 1 :]) for name in names]
        coins = [self.coin_number(coin) for _, coin, _ in parts]
        ranks = {currency: i for i, currency in enumerate(self.reference_currencies)}
        currencies = [ranks.get(quote, NO_CURRENCY) for _, _, quote in parts]
        for name, _, _ in parts:
            self._numbers[name] = len(self._numbers)
        self.coin = np.concatenate([self.coin, np.array(coins, np.intp)])
        self.currency = np.concatenate([self.currency, np.array(currencies, np.int8)])


class ReferencePrices(msgspec.Struct, frozen=True):
    """One value a coin number: NaN, `NO_CURRENCY` and 0 where a coin has no price."""

    price: NDArray[np.float64]
    currency: NDArray[np.int8]
    venues: NDArray[np.uint16]


def reference_prices(
    markets: Markets, numbers: NDArray[np.intp], mid: NDArray[np.float64]
) -> ReferencePrices:
    """Return the median of a coin's mids in the first reference currency in which there is one.

    `numbers` and `mid` (NaN where a market has none) have one value a market, in any order. Of an
    even number of mids it is the mean of the middle two.
    """
    width = len(markets.coins)
    price = np.full(width, np.nan)
    currency = np.full(width, NO_CURRENCY, np.int8)
    venues = np.zeros(width, np.uint16)
    usable = (markets.currency[numbers] >= 0) & np.isfinite(mid) & (mid > 0)
    numbers, mid = numbers[usable], mid[usable]
    if not len(numbers):
        return ReferencePrices(price, currency, venues)
    # By coin and currency; the first group of a coin is that of its first currency.
    group = markets.coin[numbers] * len(markets.reference_currencies) + markets.currency[numbers]
    order = np.lexsort((mid, group))
    group, mid = group[order], mid[order]
    found, starts, counts = np.unique(group, return_index=True, return_counts=True)
    coins, first = np.unique(found // len(markets.reference_currencies), return_index=True)
    start, count = starts[first], counts[first]
    price[coins] = (mid[start + (count - 1) // 2] + mid[start + count // 2]) / 2
    currency[coins] = found[first] % len(markets.reference_currencies)
    venues[coins] = count
    return ReferencePrices(price, currency, venues)
