"""All that the gateway knows, and what changes when a record comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from models.markets import coin_of
from models.records.bars import Bars, Indicators
from models.records.correlations import CorrelationBlock, Returns
from models.records.reference import Coin, Market
from services.gateway.channels import BY_INTERVAL, BY_MARKET, split_key
from services.gateway.delay import LineDelay
from services.gateway.items import Figures, Item
from services.gateway.memory.correlations import EVERY_COIN, Coins, Correlations
from services.gateway.memory.interval_rows import BARS, INDICATORS
from services.gateway.memory.intervals import IntervalFigures
from services.gateway.memory.matrix import Matrix
from services.gateway.memory.matrix_figures import MatrixFigures
from services.gateway.memory.quotes import Quotes, Sight
from services.gateway.memory.reference import Feeds, Reference
from services.gateway.memory.returns import ReturnsMemory
from services.gateway.memory.spreads import Spreads
from services.gateway.memory.table_ids import TableId, longer_than, resolved, table_id
from services.gateway.memory.trades import Trades
from services.gateway.records import (
    DerivedRecord,
    QuoteRecord,
    Record,
    ReferenceRecord,
    SpreadRecord,
    TradeRecord,
)

Store = Quotes | Trades | Spreads | Feeds | IntervalFigures | Correlations

USUAL_COINS = 10


class Change(msgspec.Struct, frozen=True):
    """What one record changed: items of one channel, and markets that came in or out of sight."""

    channel: str
    items: list[Item]
    sights: list[Sight] = []


class Memory:
    """The newest of everything. Only one thread uses it."""

    def __init__(
        self, delay: LineDelay, exchanges: Iterable[str], tables: Iterable[str] = ()
    ) -> None:
        """`tables` are the ids of correlation tables that are declared."""
        self.delay = delay
        self.exchanges = tuple(exchanges)
        self.quotes = Quotes(delay)
        self.trades = Trades()
        self.spreads = Spreads(delay, self.quotes.unseen_until)
        self.feeds = Feeds(delay, self.quotes.clock)
        self.bars = IntervalFigures(BARS, delay)
        self.indicators = IntervalFigures(INDICATORS, delay)
        self.returns = ReturnsMemory()
        self.correlations = Correlations(self._matrix_figures, map(table_id, tables))
        self._stores: dict[str, Store] = {
            "quotes": self.quotes,
            "trades": self.trades,
            "spreads": self.spreads,
            "feeds": self.feeds,
            "bars": self.bars,
            "indicators": self.indicators,
            "correlations": self.correlations,
        }
        self.coins: Reference[Coin] = Reference(Coin)
        self.instruments: Reference[Market] = Reference(Market)

    def take(self, record: Record, *, tells: bool = True) -> Change | None:
        """Take one record; return what it changed for subscribers, if anybody is told."""
        match record:
            case QuoteRecord():
                items, sights = self.quotes.take(record)
                return Change("quotes", items, sights)
            case TradeRecord():
                return Change("trades", self.trades.take(record))
            case SpreadRecord():
                return Change("spreads", self.spreads.take(record))
            case DerivedRecord():
                return self._take_derived(record, tells)
            case ReferenceRecord():
                return self._take_reference(record)

    @property
    def outdated(self) -> int:
        """How many bursts of former owners were ignored."""
        return self.quotes.outdated + self.trades.outdated

    def markets(self) -> list[str]:
        """Return every market of which anything is known, by name."""
        return sorted(
            {
                *self.instruments.keys(),
                *self.quotes.markets(),
                *self.trades.markets(),
                *self.spreads.markets(),
                *self.feeds.markets(),
                *(key.partition("|")[0] for key in self.bars.markets()),
            }
        )

    def knows_market(self, market: str) -> bool:
        """Return whether anything is known of a market."""
        return (
            self.instruments.get(market) is not None
            or self.quotes.clock(market) is not None
            or any(self.newest(channel, market) is not None for channel in BY_MARKET)
            or self.bars.has(market)
        )

    def knows_key(self, channel: str, key: str) -> bool:
        """Return whether something of this key can be expected on a channel."""
        if channel == "correlations":
            return resolved(key, self.tables()) is not None
        if channel not in BY_INTERVAL:
            return self.knows_market(key)
        found = split_key(key)
        return found is not None and self.knows_market(found[0])

    def all_coins(self) -> list[str]:
        """Return every coin that is known or has a market, by name."""
        of_markets = map(coin_of, self.markets())
        of_tables = self.returns.coins() | self.correlations.coins()
        return sorted({*self.coins.keys(), *of_markets, *of_tables})

    def tables(self) -> list[TableId]:
        """Return the correlation tables that are declared or have made something, by window."""
        return sorted({*self.returns.tables(), *self.correlations.tables()})

    def matrix_figures(self, matrix: Matrix) -> MatrixFigures:
        """Return a matrix beside what is known of its coins now; any thread may read it."""
        longer = self.correlations.longer(matrix)
        return MatrixFigures(
            matrix,
            longer,
            longer_than(table_id(matrix.table), self.tables()),
            self.correlations.averages(matrix.table),
            self.returns.priced(matrix.table),
            self.delay,
        )

    def usual_coins(self, matrix: Matrix) -> tuple[str, ...]:
        """Return the first ten of a matrix by market value, stablecoins left out."""
        stable = {coin for coin in matrix.coins if self._is_stablecoin(coin)}
        ranked = sorted(set(matrix.coins) - stable, key=self._rank)
        return tuple(ranked[:USUAL_COINS])

    def progress(self, market: str) -> int | None:
        """Return how far everything of a market has come (ns), None if nothing has begun."""
        begun = [
            time
            for time in (self.quotes.clock(market), self.spreads.valid_until(market))
            if time is not None
        ]
        return min(begun, default=None)

    def newest(self, channel: str, market: str) -> Item | None:
        """Return the newest value of a key of a channel."""
        return self._stores[channel].newest(market)

    def keys(self, channel: str) -> Iterator[str]:
        """Yield the keys of a channel that have a value."""
        yield from self._stores[channel].markets()

    def every_coin(self, matrix: Matrix) -> tuple[str, ...]:
        """Return all coins of a matrix by market value; stablecoins last."""
        return self.by_rank(matrix.coins)

    def by_rank(self, coins: Iterable[str]) -> tuple[str, ...]:
        """Return coins by market value, then by name; stablecoins last."""
        return tuple(sorted(coins, key=self._rank))

    def _matrix_figures(self, matrix: Matrix, coins: Coins) -> Callable[[], Figures]:
        chosen = self.usual_coins(matrix) if coins is None else coins
        if chosen == (EVERY_COIN,):
            chosen = self.every_coin(matrix)
        figures = self.matrix_figures(matrix)
        return lambda: figures.over(chosen)

    def _rank(self, coin: str) -> tuple[bool, float, str]:
        record = self.coins.get(coin)
        value = None if record is None else record.market_value
        return self._is_stablecoin(coin), -(value or 0.0), coin

    def _is_stablecoin(self, coin: str) -> bool:
        record = self.coins.get(coin)
        return record is not None and "stablecoin" in record.flags

    def _take_derived(self, record: DerivedRecord, tells: bool) -> Change | None:
        match record.value:
            case Bars():
                return Change("bars", self.bars.take(record, tells=tells))
            case Indicators():
                return Change("indicators", self.indicators.take(record, tells=tells))
            case CorrelationBlock():
                return Change("correlations", self.correlations.take(record))
            case Returns():
                self.returns.take(record)
        return None

    def _take_reference(self, record: ReferenceRecord) -> Change | None:
        kind = record.place.topic
        if kind == "feeds":
            return Change("feeds", self.feeds.take(record))
        if kind == "coins":
            self.coins.take(record)
        else:
            self.instruments.take(record)
        return None
