"""The mids of markets at every second, from the raw ticks, and the reference prices of coins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np
import pandas as pd

from models.archive.tick_tables import KINDS
from models.markets import coin_of
from services.audit.audit_spreads import LOOKBACK
from services.audit.frames import of_market
from services.audit.pieces import SECOND, Flags, Floats, Times
from services.audit.quotes import QuotePast
from services.audit.snapshot import Snapshot
from services.audit.source_past import TopicPast


class _Source(msgspec.Struct):
    """One exchange and partition: `known_to` is how far its ticks are archived."""

    name: str
    quotes: TopicPast
    known_to: int


class _Market(msgspec.Struct, frozen=True):
    """A market of a reference currency; its mids are known in `[known_from, known_to]`."""

    coin: str
    rank: int
    source: str
    known_from: int
    known_to: int


class SecondPrices(msgspec.Struct, frozen=True):
    """Reference prices, a line a second and a column a coin; NaN is none.

    `currency` is the place among the reference currencies; `known` says where no tick is missing.
    """

    price: Floats
    currency: Floats
    known: Flags


class SecondMids:
    """The mids of some coins in a stretch of time that is moved on slice by slice."""

    def __init__(
        self,
        archive: Snapshot,
        sources: Sequence[tuple[str, int]],
        currencies: Sequence[str],
        coins: Collection[str],
        start: int,
    ) -> None:
        """Hold nothing yet; `start` is the first second of all."""
        since = start - LOOKBACK
        self._ranks = {currency: rank for rank, currency in enumerate(currencies)}
        self._sources = [
            _Source(
                f"{exchange}|{partition}",
                TopicPast(archive, (exchange, partition), "quotes", since, coins=coins),
                min(archive.clock(f"{exchange}_{kind}", partition) for kind in KINDS),
            )
            for exchange, partition in sources
            if archive.names(f"{exchange}_quotes", partition)
        ]
        self._markets: dict[str, _Market] = {}
        self._read_to = start
        self._mids = pd.DataFrame()

    def advance(self, since: int, until: int) -> None:
        """Hold the whole seconds of `[since, until)`; both rise from call to call."""
        at = np.arange(self._read_to, until, SECOND, dtype=np.int64)
        columns: dict[str, Floats] = {}
        for source in self._sources:
            held = source.quotes.advance(self._read_to - SECOND, until)
            for name, ticks in held.ticks.groupby("market"):
                market = str(name)
                if market[market.rindex("-") + 1 :] not in self._ranks:
                    continue
                quotes = QuotePast(ticks, of_market(held.unseen, market))
                columns[market] = quotes.mids(at - 1)
                first = 0 if held.is_whole else int(quotes.time[0]) + 1
                self._markets.setdefault(market, self._market(market, source, first))
        new = pd.DataFrame(columns, index=at)
        both = pd.concat([self._mids, new]) if len(self._mids) else new
        self._mids = both[both.index >= since]
        self._read_to = until

    def _market(self, name: str, source: _Source, known_from: int) -> _Market:
        rank = self._ranks[name[name.rindex("-") + 1 :]]
        return _Market(coin_of(name), rank, source.name, known_from, source.known_to)

    def given(self, at: int, coins: Collection[str], without: Collection[str]) -> pd.DataFrame:
        """Return the mids of one second, but those of some sources, as `Following` takes them."""
        row = int(self._mids.index.get_indexer(pd.Index([at]))[0])
        mids = self._mids.to_numpy(np.float64)[row].tolist() if row >= 0 else []
        markets = [self._markets[str(name)] for name in self._mids.columns]
        rows = [
            (market.coin, float(market.rank), mid, market.source)
            for market, mid in zip(markets, mids, strict=False)
            if mid == mid and market.coin in coins and market.source not in without
        ]
        return pd.DataFrame(rows, columns=["coin", "currency", "mid", "source"])

    def prices(
        self, seconds: Times, coins: Sequence[str], without: Mapping[int, Collection[str]]
    ) -> SecondPrices:
        """Return the reference prices at these seconds, rising.

        `without` are by second the sources that do not count; seconds not in it have no price.
        """
        mids = self._mids.reindex(seconds)
        shape = (len(seconds), len(coins))
        price, currency = np.full(shape, np.nan), np.full(shape, np.nan)
        known: Flags = np.ones(shape, np.bool_)
        is_made = np.array([at in without for at in seconds.tolist()], np.bool_)
        counts = {
            source.name: is_made
            & ~np.array([source.name in without.get(at, ()) for at in seconds.tolist()], np.bool_)
            for source in self._sources
        }
        for place, coin in enumerate(coins):
            mine = [
                (market, mids[name].where(counts[market.source]).to_numpy(np.float64))
                for name, market in self._markets.items()
                if market.coin == coin and name in mids
            ]
            for market, _ in mine:
                within = (seconds >= market.known_from) & (seconds <= market.known_to)
                known[:, place] &= within | ~counts[market.source]
            for rank in sorted({market.rank for market, _ in mine}, reverse=True):
                # The first currency that there is goes over the later ones.
                median = _median(np.array([m for market, m in mine if market.rank == rank]))
                there = ~np.isnan(median)
                price[there, place], currency[there, place] = median[there], rank
        return SecondPrices(price, currency, known)


def _median(values: Floats) -> Floats:
    """Return the medians of the columns, NaN left out; of an even number the mean of two."""
    ordered = np.sort(values, axis=0)
    n = np.count_nonzero(~np.isnan(values), axis=0)
    column = np.arange(values.shape[1])
    low, high = ordered[np.maximum(n - 1, 0) // 2, column], ordered[n // 2 % len(values), column]
    return np.where(n > 0, np.where(n % 2 == 1, low, (low + high) / 2), np.nan)
