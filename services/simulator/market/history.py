"""What a market did before the simulation began, and since: bars of a minute and longer.

The past is a coarser path of the same model: prices walk back from those of the start in steps of
a minute, drawn with the same factors and loadings from the same seed, so correlations of the past
have the same truth. A market's past price is its coins' without offsets, and what it reaches within
a minute is drawn beside it. It is joined to the live price at the start of the minute in which the
simulation began; from there on bars are made of the trades.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.simulator.market.factors import Floats
from services.simulator.market.model import TAKEN, TICKS_AN_EVENT, TRADE_SHARE, MarketModel
from services.simulator.market.state import Market, MinuteBar

MINUTE_NS = 60_000_000_000
PAST_MINUTES = 2 * 24 * 60
_DAY_MINUTES = 24 * 60


class Day(msgspec.Struct, gc=False):
    """What a market did in a day: volume in coins, `value` in the quote currency."""

    open: float
    high: float
    low: float
    volume: float
    value: float
    trades: int


class _Past(msgspec.Struct, gc=False):
    """The minutes before the start as columns; `counts` are trades."""

    opens: Floats
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats
    counts: NDArray[np.signedinteger[Any]]


class History:
    """Bars of the markets of a model; the past is drawn when it is first asked for."""

    def __init__(self, model: MarketModel) -> None:
        self._model = model
        self._end = model.start - model.start % MINUTE_NS
        self._paths: Floats | None = None
        self._days: dict[int, Day] = {}

    def bars(self, market: Market, start: int, end: int, minutes: int = 1) -> list[MinuteBar]:
        """Return bars of so many minutes that begin in [start, end); those without a trade lack."""
        length = minutes * MINUTE_NS
        inside = (each for each in self._minutes(market) if start <= each.start < end)
        if minutes == 1:
            return list(inside)
        return [
            _merged(begin * length, list(group))
            for begin, group in groupby(inside, lambda bar: bar.start // length)
        ]

    def unbroken_bars(
        self, market: Market, start: int, end: int, minutes: int = 1
    ) -> list[MinuteBar]:
        """Return bars as `bars` does, and flat ones at the last close where there was no trade."""
        length = minutes * MINUTE_NS
        there = {bar.start: bar for bar in self.bars(market, 0, end, minutes)}
        if not there:
            return []
        close, unbroken = 0.0, []
        for begin in range(min(there), end, length):
            bar = there.get(begin) or MinuteBar(begin, close, close, close, close, 0.0, 0.0, 0)
            close = bar.close
            if begin >= start:
                unbroken.append(bar)
        return unbroken

    def day(self, market: Market) -> Day:
        """Return the figures of a market: those of the day before the start and all since."""
        past = self._days.get(market.number)
        if past is None:
            past = self._days[market.number] = self._last_past_day(market)
        since = market.since_start
        if since is None:
            return past
        return Day(
            past.open,
            max(past.high, since.high),
            min(past.low, since.low),
            past.volume + since.volume,
            past.value + since.value,
            past.trades + since.trades,
        )

    def change_24h(self, number: int) -> float:
        """Return by how much (as a part) the price of a coin rose in the day before the start."""
        paths = self._walked()
        return float(np.expm1(paths[-1, number] - paths[-1 - _DAY_MINUTES, number]))

    def _walked(self) -> Floats:
        """Return the logarithms of the coins' prices at every minute before the start."""
        if self._paths is None:
            model = self._model
            random = np.random.default_rng([model.settings.seed, 2])
            moves = model.factors.returns(random, 60.0, PAST_MINUTES)
            back = np.vstack([np.zeros((1, len(model.coins))), np.cumsum(moves, axis=0)])
            self._paths = model.initial_log_prices - back[::-1]
        return self._paths

    def _minutes(self, market: Market) -> Iterator[MinuteBar]:
        yield from self._past(market)
        yield from market.bars

    def _past(self, market: Market) -> Iterator[MinuteBar]:
        begin = self._end - PAST_MINUTES * MINUTE_NS
        past = self._drawn(market)
        columns = (past.opens, past.highs, past.lows, past.closes, past.volumes, past.counts)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for minute, (opened, high, low, close, volume, count) in enumerate(rows):
            if count:
                start = begin + minute * MINUTE_NS
                # Somewhere between what it reached.
                value = volume * (opened + high + low + close) / 4
                yield MinuteBar(start, opened, high, low, close, volume, value, count)

    def _last_past_day(self, market: Market) -> Day:
        past = self._drawn(market)
        volumes = past.volumes[-_DAY_MINUTES:]
        return Day(
            float(past.opens[-_DAY_MINUTES]),
            float(past.highs[-_DAY_MINUTES:].max()),
            float(past.lows[-_DAY_MINUTES:].min()),
            float(volumes.sum()),
            float((volumes * past.opens[-_DAY_MINUTES:]).sum()),
            int(past.counts[-_DAY_MINUTES:].sum()),
        )

    def _drawn(self, market: Market) -> _Past:
        model, listing = self._model, market.listing
        random = np.random.default_rng([model.settings.seed, 3, market.number])
        path = np.zeros(PAST_MINUTES + 1)
        path += self._asset_path(listing.base)
        path -= self._asset_path(listing.quote)
        prices = np.exp(path)
        takers = model.settings.rate / TICKS_AN_EVENT * TRADE_SHARE * model.shares[market.number]
        counts = random.poisson(takers * 60.0, PAST_MINUTES)
        reach = np.abs(random.normal(0.0, 4e-4, (2, PAST_MINUTES)))
        mean_size = listing.level_lots * float(np.exp(TAKEN[0] + TAKEN[1] ** 2 / 2))
        noise = np.exp(random.normal(-0.02, 0.2, PAST_MINUTES))
        return _Past(
            opens=prices[:-1],
            highs=np.maximum(prices[:-1], prices[1:]) * (1.0 + reach[0]),
            lows=np.minimum(prices[:-1], prices[1:]) * (1.0 - reach[1]),
            closes=prices[1:],
            volumes=np.multiply(counts, market.size(1) * mean_size * noise, dtype=np.float64),
            counts=counts,
        )

    def _asset_path(self, symbol: str) -> Floats | float:
        premium, anchor = self._model.pegged_to(symbol)
        number = self._model.coin_number(anchor)
        return premium if number is None else self._walked()[:, number] + premium


def _merged(start: int, bars: list[MinuteBar]) -> MinuteBar:
    return MinuteBar(
        start,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        sum(bar.value for bar in bars),
        sum(bar.trades for bar in bars),
    )
