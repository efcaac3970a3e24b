"""One market as it stands: its book, its ids, its last trades and its minutes."""

from __future__ import annotations

from collections import deque

import msgspec

from services.simulator.market.book import Book, Changes, Level
from services.simulator.market.listings import Listing

_REMEMBERED_TRADES = 50
_KEPT_MINUTES = 2 * 24 * 60
_MINUTE_NS = 60_000_000_000


class Fill(msgspec.Struct, frozen=True, gc=False):
    """What a taker traded at one price; `pieces` are the lots of each trade of it.

    The trades have the ids `first_id`, `first_id + 1` and so on. `side` is the taker's:
    +1 bought, −1 sold.
    """

    tick: int
    side: int
    pieces: tuple[int, ...]
    first_id: int
    aggregate_id: int
    time: int


class MarketEvent(msgspec.Struct, gc=False):
    """Something that happened on a market, whose book now stands as after it.

    `best_changed` says whether the best bid or ask differs in price or size. Times are
    nanoseconds, whole microseconds, rising over all markets.
    """

    market: Market
    time: int
    changes: Changes
    fills: tuple[Fill, ...]
    best_changed: bool


class MinuteBar(msgspec.Struct, gc=False):
    """The trades of a minute (or longer).

    Prices and `value` (of what was traded) are in the quote currency, `volume` in coins, `start`
    in nanoseconds.
    """

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    value: float
    trades: int

    def add(self, price: float, size: float, trades: int) -> None:
        """Take in trades at one price."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += size
        self.value += price * size
        self.trades += trades


class Market:
    """A market; the model alone changes it.

    `update_id` counts the changes of its book, `sequence` its events; `bars` are the minutes with
    trades since the start, `since_start` all of them as one.
    """

    __slots__ = (
        "_lots_of_one",
        "_price_format",
        "_ticks_of_one",
        "aggregate_id",
        "bars",
        "best",
        "book",
        "last_trades",
        "listing",
        "number",
        "sequence",
        "since_start",
        "trade_id",
        "update_id",
    )

    def __init__(self, number: int, listing: Listing, book: Book, first_id: int) -> None:
        self.number = number
        self.listing = listing
        self.book = book
        self._ticks_of_one = 10.0**listing.price_digits
        self._lots_of_one = 10.0**listing.size_digits
        # Binance writes 8 digits whatever the tick is.
        least = 8 if listing.exchange == "binance" else 0
        self._price_format = f"%.{max(listing.price_digits, least)}f"
        self.best = book.best()
        self.update_id = first_id * 7
        self.sequence = first_id * 3
        self.trade_id = first_id
        self.aggregate_id = first_id * 2 // 3
        self.last_trades: deque[Fill] = deque(maxlen=_REMEMBERED_TRADES)
        self.since_start: MinuteBar | None = None
        self.bars: deque[MinuteBar] = deque(maxlen=_KEPT_MINUTES)

    def price(self, tick: int) -> float:
        """Return a price in the quote currency, the float nearest to its text."""
        return tick / self._ticks_of_one

    def size(self, lots: int) -> float:
        """Return a size in coins, the float nearest to its text."""
        return lots / self._lots_of_one

    def best_values(self) -> tuple[float, float, float, float]:
        """Return the best bid, its size, the best ask and its size as numbers."""
        bid, bid_lots, ask, ask_lots = self.best
        return self.price(bid), self.size(bid_lots), self.price(ask), self.size(ask_lots)

    def price_text(self, tick: int) -> str:
        """Return a price with the digits that its exchange writes."""
        return self._price_format % (tick / self._ticks_of_one)

    def value_text(self, price: float) -> str:
        """Return a price that need not lie on the grid, with the digits of the market."""
        return self._price_format % price

    def size_text(self, lots: int) -> str:
        """Return a size in coins with 8 digits, as all three exchanges write sizes."""
        return "%.8f" % (lots / self._lots_of_one)

    def settle(self) -> bool:
        """Note the book's best levels; return whether they differ from those noted before."""
        best = self.book.best()
        changed = best != self.best
        self.best = best
        self.sequence += 1
        self.update_id += 1
        return changed

    def fill(self, time: int, side: int, level: Level, split: bool) -> Fill:
        """Number the trades that a taker's fill consists of, and count them."""
        tick, lots = level
        pieces = (lots // 3, lots - lots // 3) if split and lots >= 3 else (lots,)
        fill = Fill(tick, side, pieces, self.trade_id + 1, self.aggregate_id + 1, time)
        self.trade_id += len(pieces)
        self.aggregate_id += 1
        self.sequence += len(pieces)
        self.last_trades.append(fill)
        self._count(time, self.price(tick), self.size(lots), len(pieces))
        return fill

    def _count(self, time: int, price: float, size: float, trades: int) -> None:
        start = time - time % _MINUTE_NS
        bar = self.bars[-1] if self.bars else None
        if bar is None or bar.start != start:
            self.bars.append(_first(start, price, size, trades))
        else:
            bar.add(price, size, trades)
        if self.since_start is None:
            self.since_start = _first(start, price, size, trades)
        else:
            self.since_start.add(price, size, trades)


def _first(start: int, price: float, size: float, trades: int) -> MinuteBar:
    return MinuteBar(start, price, price, price, price, size, price * size, trades)
