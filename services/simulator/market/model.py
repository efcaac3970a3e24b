"""The market model: a seed and event time in, events out.

Time runs in slices of 25 ms, aligned to the start. In a slice every coin's fair price, every
market's offset from it and its wished spread make one step (all markets at once, with numpy);
then the slice's events, a Poisson number spread over the markets by their weights, are applied to
the books one after the other, in event-time order. What is drawn depends on nothing but the seed
and the number of the slice, so the same seed gives the same market event for event, whoever is
connected and however `advance` is cut.

An event is one of: the best prices follow the fair price and the wished spread; the best level of
a side, or a deeper one, gets another size; a taker eats levels, more often to the side on which
the quotes lag behind the fair price. Rarely, where asked for, a bid is put above the ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.simulator.market.book import Book
from services.simulator.market.coins import PEGGED, Coin, coins_of
from services.simulator.market.factors import Factors, Floats, Reverting
from services.simulator.market.listings import Listing, listings_of
from services.simulator.market.state import Fill, Market, MarketEvent

Numbers = NDArray[np.signedinteger[Any]]

SLICE_NS = 25_000_000
_SLICE_S = SLICE_NS / 1e9
_MICROSECOND = 1_000
_SECOND = 1_000_000_000

# What an event is: the bounds of one uniform draw.
TRADE_SHARE = 0.16
_REQUOTES = 0.42
_BEST_SIZES = 0.86
# Top-of-book changes and trades that an event comes to, measured; the rate is in these.
TICKS_AN_EVENT = 1.02
_INFORMED = 0.3
_SPLIT = 0.2
# Mean and deviation of the logarithm of a taker's size over a level's.
TAKEN = (-2.0, 1.2)
_SIZES = 16_384
_OFFSET_DEVIATION = 5e-5
_OFFSET_HALF_LIFE_S = 45.0
SPREAD_DEVIATION = 0.35


class ModelSettings(msgspec.Struct, frozen=True):
    """What the market is. `rate` is ticks (top-of-book changes and trades) a second, all markets.

    `crossed` is the share of requotes that put a bid above the ask on purpose.
    """

    seed: int = 1
    coins: int = 20
    rate: float = 500.0
    crossed: float = 0.0


class MarketModel:
    """The market from `start` (nanoseconds) on; `time` is how far it has been taken."""

    def __init__(self, settings: ModelSettings, start: int) -> None:
        """Build the market as it stands at `start`."""
        self.settings = settings
        self.start = self.time = start - start % _MICROSECOND
        self._shape = np.random.default_rng([settings.seed, 0])
        self._random = np.random.default_rng([settings.seed, 1])
        self.coins: list[Coin] = coins_of(settings.coins, self._shape)
        self.factors = Factors(self.coins, self._shape)
        self.listings: list[Listing] = listings_of(self.coins, self._shape)
        self._assets = {coin.symbol: number for number, coin in enumerate(self.coins)}
        self._log_prices = np.log([coin.price for coin in self.coins])
        self.initial_log_prices = self._log_prices.copy()
        self._begin_pegged()
        self._begin_markets()
        sizes = np.exp(self._shape.normal(0.0, 1.1, _SIZES)).tolist()
        self._sizes = cycle(sizes)
        targets = self._targets(np.arange(len(self.listings)))
        self.markets = [
            self._open(number, listing, bid, ask)
            for number, (listing, bid, ask) in enumerate(zip(self.listings, *targets, strict=True))
        ]

    def true_correlation(self) -> Floats:
        """Return the correlation of the coins' log returns, in the order of `coins`."""
        return self.factors.true_correlation()

    @property
    def log_prices(self) -> Floats:
        """The logarithms of the coins' fair prices in USD now."""
        return self._log_prices.copy()

    @property
    def log_spreads(self) -> Floats:
        """The logarithms of the markets' wished spreads, as parts of the price, now."""
        return self._spreads.values.copy()

    def coin_number(self, symbol: str) -> int | None:
        """Return the place of a coin in `coins`; None where it is none of them."""
        number = self._assets[symbol]
        return number if number < len(self.coins) else None

    @staticmethod
    def pegged_to(symbol: str) -> tuple[float, str]:
        """Return the mean premium of an asset and what it follows: for most 0 and itself."""
        for each in PEGGED:
            if each.symbol == symbol:
                return each.premium, each.anchor
        return 0.0, symbol

    def asset_log_prices(self, log_prices: Floats) -> Floats:
        """Return logarithms of all assets' prices in USD, given those of the coins."""
        coins = len(self.coins)
        prices = np.zeros(coins + len(PEGGED) + 1)
        prices[:coins] = log_prices
        for number, (anchor, premium) in enumerate(
            zip(self._anchors, self._premiums.values, strict=True), coins
        ):
            prices[number] = prices[anchor] + premium
        return prices

    def market_log_prices(self, log_prices: Floats) -> Floats:
        """Return logarithms of the fair prices of all markets, given those of the coins."""
        assets = self.asset_log_prices(log_prices)
        prices: Floats = assets[self._bases] - assets[self._quotes]
        return prices

    def advance(self, until: int) -> Iterator[MarketEvent]:
        """Yield the events of every whole slice up to `until` (nanoseconds), in event-time order.

        The market's book stands as after an event while that event is being looked at.
        """
        while self.time + SLICE_NS <= until:
            yield from self._slice()

    def _begin_pegged(self) -> None:
        self._assets |= {each.symbol: len(self._assets) + n for n, each in enumerate(PEGGED)}
        # One dollar is worth one dollar: its logarithm stays 0.
        self._assets["USD"] = len(self._assets)
        self._anchors = [self._assets[each.anchor] for each in PEGGED]
        self._premiums = Reverting(
            np.array([each.premium for each in PEGGED]),
            np.array([each.deviation for each in PEGGED]),
            np.array([each.half_life_s for each in PEGGED]),
            _SLICE_S,
            self._shape,
        )

    def _begin_markets(self) -> None:
        listings, count = self.listings, len(self.listings)
        self._bases = np.array([self._assets[each.base] for each in listings])
        self._quotes = np.array([self._assets[each.quote] for each in listings])
        self._tick_sizes = np.array([0.1**each.price_digits for each in listings])
        weights = np.array([each.weight for each in listings])
        self.shares = weights / weights.sum()
        self._cumulative = np.cumsum(self.shares)
        self._offsets = Reverting(
            np.zeros(count),
            np.full(count, _OFFSET_DEVIATION),
            np.full(count, _OFFSET_HALF_LIFE_S),
            _SLICE_S,
            self._shape,
        )
        self._spreads = Reverting(
            np.log([each.spread for each in listings]),
            np.full(count, SPREAD_DEVIATION),
            np.array([each.spread_half_life_s for each in listings]),
            _SLICE_S,
            self._shape,
        )

    def _open(self, number: int, listing: Listing, bid: int, ask: int) -> Market:
        spacing = max(1, int(0.6 * (ask - bid)))
        median = listing.level_lots

        def new_size() -> int:
            return max(1, int(next(self._sizes) * median))

        book = Book(listing.levels, spacing, new_size)
        book.requote(bid, ask)
        first_id = int(self._shape.integers(10_000_000, 900_000_000))
        market = Market(number, listing, book, first_id)
        # Every market has traded before: 0.04 to 100 s ago.
        age = int(self._shape.uniform(0.04, 100.0) * 1e6) * _MICROSECOND
        side = 1 if self._shape.uniform() < 0.5 else -1
        tick = ask if side > 0 else bid
        market.last_trades.append(
            Fill(tick, side, (new_size(),), first_id, market.aggregate_id, self.start - age)
        )
        return market

    def _slice(self) -> Iterator[MarketEvent]:
        random = self._random
        self._log_prices += self.factors.returns(random, _SLICE_S)[0]
        for values in (self._premiums, self._offsets, self._spreads):
            values.step(random)
        count = int(random.poisson(self.settings.rate * _SLICE_S / TICKS_AN_EVENT))
        begin, self.time = self.time, self.time + SLICE_NS
        if not count:
            return
        draws = random.random((5, count))
        offsets = np.sort((draws[0] * (SLICE_NS // _MICROSECOND)).astype(np.int64))
        chosen = np.searchsorted(self._cumulative, draws[1], side="right")
        np.minimum(chosen, len(self.markets) - 1, out=chosen)
        bids, asks = self._targets(chosen)
        lots = np.exp(random.normal(*TAKEN, count)).tolist()
        kinds, first, second = draws[2:].tolist()
        times = (begin + offsets * _MICROSECOND).tolist()
        for number, market_number in enumerate(chosen.tolist()):
            yield self._apply(
                self.markets[market_number],
                times[number],
                (bids[number], asks[number]),
                (kinds[number], first[number], second[number]),
                lots[number],
            )

    def _targets(self, chosen: Numbers) -> tuple[list[int], list[int]]:
        """Return the best bids and asks, in ticks, that these markets should have."""
        log_prices = self.market_log_prices(self._log_prices) + self._offsets.values
        mids = np.exp(log_prices[chosen]) / self._tick_sizes[chosen]
        halves = mids * np.exp(self._spreads.values[chosen]) / 2.0
        bids = np.maximum(np.rint(mids - halves), 1.0)
        asks = np.maximum(np.rint(mids + halves), bids + 1.0)
        return bids.astype(np.int64).tolist(), asks.astype(np.int64).tolist()

    def _apply(
        self,
        market: Market,
        time: int,
        target: tuple[int, int],
        uniform: tuple[float, float, float],
        lots: float,
    ) -> MarketEvent:
        kind, first, second = uniform
        book = market.book
        fills: tuple[Fill, ...] = ()
        if kind < TRADE_SHARE:
            bid, _, ask, _ = market.best
            lag = (sum(target) - bid - ask) / (2.0 * max(1, ask - bid))
            bought = first < 0.5 + _INFORMED * min(1.0, max(-1.0, lag))
            size = max(1, int(lots * market.listing.level_lots))
            levels, changes = book.take(book.asks if bought else book.bids, size)
            side, split = 1 if bought else -1, second < _SPLIT
            fills = tuple(market.fill(time, side, level, split) for level in levels)
        elif kind < _REQUOTES:
            if second < self.settings.crossed:
                changes = book.cross(1 + int(first * 3))
            else:
                changes = book.requote(*target)
        else:
            side_of_book = book.bids if first < 0.5 else book.asks
            deep = 0 if kind < _BEST_SIZES else 1 + int(second * 20)
            changes = book.resize(side_of_book, deep)
        return MarketEvent(market, time, changes, fills, market.settle())
