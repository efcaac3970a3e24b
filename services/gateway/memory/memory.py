"""All that the gateway knows, and what changes when a record comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from models.markets import coin_of
from models.records.reference import Coin, Market
from services.gateway.delay import LineDelay
from services.gateway.items import Item
from services.gateway.memory.quotes import Quotes, Sight
from services.gateway.memory.reference import Feeds, Reference
from services.gateway.memory.spreads import Spreads
from services.gateway.memory.trades import Trades
from services.gateway.records import (
    QuoteRecord,
    Record,
    ReferenceRecord,
    SpreadRecord,
    TradeRecord,
)

CHANNELS = ("quotes", "trades", "spreads", "feeds")


class Change(msgspec.Struct, frozen=True):
    """What one record changed: items of one channel, and markets that came in or out of sight."""

    channel: str
    items: list[Item]
    sights: list[Sight] = []


class Memory:
    """The newest of everything. Only one thread uses it."""

    def __init__(self, delay: LineDelay, exchanges: Iterable[str]) -> None:
        self.delay = delay
        self.exchanges = tuple(exchanges)
        self.quotes = Quotes(delay)
        self.trades = Trades()
        self.spreads = Spreads(delay)
        self.feeds = Feeds(delay, self.quotes.clock)
        self._stores: dict[str, Quotes | Trades | Spreads | Feeds] = {
            "quotes": self.quotes,
            "trades": self.trades,
            "spreads": self.spreads,
            "feeds": self.feeds,
        }
        self.coins: Reference[Coin] = Reference(Coin)
        self.instruments: Reference[Market] = Reference(Market)

    def take(self, record: Record) -> Change | None:
        """Take one record; return what it changed for subscribers."""
        match record:
            case QuoteRecord():
                items, sights = self.quotes.take(record)
                return Change("quotes", items, sights)
            case TradeRecord():
                return Change("trades", self.trades.take(record))
            case SpreadRecord():
                return Change("spreads", self.spreads.take(record))
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
            }
        )

    def knows_market(self, market: str) -> bool:
        """Return whether anything is known of a market."""
        return (
            self.instruments.get(market) is not None
            or self.quotes.clock(market) is not None
            or any(self.newest(channel, market) is not None for channel in CHANNELS)
        )

    def all_coins(self) -> list[str]:
        """Return every coin that is known or has a market, by name."""
        return sorted({*self.coins.keys(), *map(coin_of, self.markets())})

    def progress(self, market: str) -> int | None:
        """Return how far everything of a market has come (ns), None if nothing has begun."""
        begun = [
            time
            for time in (self.quotes.clock(market), self.spreads.progress(market))
            if time is not None
        ]
        return min(begun, default=None)

    def newest(self, channel: str, market: str) -> Item | None:
        """Return the newest value of a key of a channel."""
        return self._stores[channel].newest(market)

    def keys(self, channel: str) -> Iterator[str]:
        """Yield the keys of a channel that have a value."""
        yield from self._stores[channel].markets()

    def _take_reference(self, record: ReferenceRecord) -> Change | None:
        kind = record.place.topic
        if kind == "feeds":
            return Change("feeds", self.feeds.take(record))
        if kind == "coins":
            self.coins.take(record)
        else:
            self.instruments.take(record)
        return None
