"""The simulated exchanges as one thing without sockets: model, protocols, REST, faults."""

from __future__ import annotations

from collections.abc import Callable

from services.simulator.exchanges.binance import BinanceFeed
from services.simulator.exchanges.coinbase import CoinbaseFeed
from services.simulator.exchanges.kraken import KrakenFeed
from services.simulator.exchanges.session import Feed
from services.simulator.faults import Faults, Oddities
from services.simulator.market.history import History
from services.simulator.market.model import SLICE_NS, MarketModel, ModelSettings
from services.simulator.market.state import Market
from services.simulator.rest.answer import Rest
from services.simulator.rest.binance import BinanceRest
from services.simulator.rest.coinbase import CoinbaseRest
from services.simulator.rest.coingecko import CoinGeckoRest
from services.simulator.rest.kraken import KrakenRest

_SECOND = 1_000_000_000


class World:
    """Everything that is simulated, from `start` (nanoseconds; a whole second) on."""

    def __init__(
        self, settings: ModelSettings, start: int, oddities: Oddities | None = None
    ) -> None:
        self.model = MarketModel(settings, start - start % _SECOND)
        self.history = History(self.model)
        self.faults = Faults(oddities or Oddities(), settings.seed)
        self.events = 0
        markets = self._markets_of
        self.feeds: dict[str, Feed] = {
            "coinbase": CoinbaseFeed(markets("coinbase"), self.history),
            "kraken": KrakenFeed(
                markets("kraken"),
                self.history,
                lambda: self.model.time,
                self.faults.corrupts_checksum,
            ),
            "binance": BinanceFeed(markets("binance"), self.history),
        }
        self.rest: dict[str, Rest] = {
            "coinbase": CoinbaseRest(markets("coinbase"), self.history),
            "kraken": KrakenRest(markets("kraken"), self.history),
            "binance": BinanceRest(markets("binance"), self.history),
            "coingecko": CoinGeckoRest(self.model, self.history),
        }

    @property
    def now(self) -> int:
        """The event time up to which everything has happened."""
        return self.model.time

    def advance(self, until: int, at_second: Callable[[int], None] | None = None) -> int:
        """Let time run to `until`; return how many events that made.

        `at_second` is told every whole second after everything of it has happened.
        """
        before = self.events
        feeds = self.feeds
        while self.model.time + SLICE_NS <= until:
            for event in self.model.advance(self.model.time + SLICE_NS):
                self.events += 1
                feeds[event.market.listing.exchange].event(event)
            now = self.model.time
            for feed in feeds.values():
                feed.slice_end(now)
            if now % _SECOND == 0:
                for feed in feeds.values():
                    feed.second_end(now)
                if at_second is not None:
                    at_second(now)
        return self.events - before

    def _markets_of(self, exchange: str) -> list[Market]:
        return [each for each in self.model.markets if each.listing.exchange == exchange]
