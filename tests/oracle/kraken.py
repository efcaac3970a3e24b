"""What Kraken's frames (v2) say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from tests.oracle import wire
from tests.oracle.facts import Fact, Lost, Quote, Reader, Reading, Serves, Shared, Trade
from tests.oracle.wire import Number

if TYPE_CHECKING:
    from tests.oracle.frames import Frame

TICKER, BOOK, TICKER_BY_BEST = 1, 2, 3
DEPTHS = (10, 25, 100, 500, 1000)
_QUIET = ("heartbeat", "status")

Level = tuple[Number, Number]


class Book:
    """The book of one market: by price, the texts of price and size.

    `state` is `new` before the first snapshot, then `valid` or `lost`.
    """

    def __init__(self) -> None:
        self.depth = 10
        self.state = "new"
        self.sides: tuple[dict[float, Level], dict[float, Level]] = ({}, {})

    def replace(self, bids: list[Level], asks: list[Level]) -> None:
        """Take a snapshot."""
        longest = max(len(bids), len(asks))
        if longest > self.depth:
            self.depth = next((depth for depth in DEPTHS if depth >= longest), DEPTHS[-1])
        self.sides = ({}, {})
        self.state = "valid"
        self.change(bids, asks)

    def change(self, bids: list[Level], asks: list[Level]) -> None:
        """Set, add and remove levels, then cut both sides to the depth."""
        for side, changes in zip(self.sides, (bids, asks), strict=True):
            for level in changes:
                side.pop(float(level[0]), None)
                if float(level[1]) > 0:
                    side[float(level[0])] = level
        for side, best in zip(self.sides, (self.bids(), self.asks()), strict=True):
            for price, _ in best[self.depth :]:
                del side[float(price)]

    def bids(self) -> list[Level]:
        """Return the bids, best first."""
        return [self.sides[0][price] for price in sorted(self.sides[0], reverse=True)]

    def asks(self) -> list[Level]:
        """Return the asks, best first."""
        return [self.sides[1][price] for price in sorted(self.sides[1])]

    def checksum(self) -> int:
        """Return the CRC32 over the ten best asks and then the ten best bids."""
        numbers = (text for level in (*self.asks()[:10], *self.bids()[:10]) for text in level)
        return crc32("".join(text.replace(".", "").lstrip("0") for text in numbers).encode())


class KrakenReader(Reader):
    """Reads the frames of one Kraken connection."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.books: dict[str, Book] = {}

    def read(self, frame: Frame) -> Reading:
        """Return what `frame` says."""
        message = wire.load(frame.text)
        if "method" in message:
            return self._answer(message)
        channel = wire.field(message, "channel", str)
        if channel in _QUIET:
            return Reading()
        known = {"ticker": self._ticker, "book": self._book, "trade": self._trade}
        if channel not in known:
            raise wire.UnknownError(channel)
        kind = wire.field(message, "type", str)
        if kind not in ("snapshot", "update"):
            raise wire.UnknownError(f"{channel} {kind}")
        snapshot = kind == "snapshot"
        entries = wire.items(message, "data")
        times = [wire.optional_time(entry, "timestamp") for entry in entries]
        facts = known[channel](entries, [None if snapshot else time for time in times], snapshot)
        known_times = [time for time in times if time is not None]
        return Reading(None if snapshot else max(known_times, default=None), facts)

    def _answer(self, message: dict[str, Any]) -> Reading:
        method, result = message["method"], message.get("result")
        if method not in ("subscribe", "unsubscribe", "ping", "pong"):
            raise wire.UnknownError(f"method {method}")
        reading = Reading()
        if message.get("success") is not True or not isinstance(result, dict):
            return reading
        channel = wire.field(result, "channel", str)
        if channel not in ("ticker", "book", "trade"):
            return reading
        market = wire.kraken_market(wire.field(result, "symbol", str))
        if method == "unsubscribe":
            if channel == "book":
                reading.facts += self._lose(market)
            return reading
        if channel == "trade":
            reading.facts.append(Serves("trades", market))
            return reading
        if channel == "book":
            if "depth" in result:
                self._book_of(market).depth = wire.integer(result, "depth")
            self.show(market, BOOK)
        else:
            by_best = result.get("event_trigger") == "bbo"
            self.show(market, TICKER_BY_BEST if by_best else TICKER)
        reading.facts.append(Serves("quotes", market))
        return reading

    def _book_of(self, market: str) -> Book:
        return self.books.setdefault(market, Book())

    def _lose(self, market: str) -> list[Fact]:
        """Lose the book; that is a gap where it is the source of quotes and was not lost yet."""
        book = self._book_of(market)
        newly, book.state = book.state != "lost", "lost"
        return [Lost(market)] if newly and self.rank.get(market, 0) == BOOK else []

    def _ticker(
        self, entries: list[dict[str, Any]], times: list[int | None], snapshot: bool
    ) -> list[Fact]:
        read = [
            (
                wire.kraken_market(wire.field(entry, "symbol", str)),
                (wire.price(entry, "bid", Number), wire.size(entry, "bid_qty", Number)),
                (wire.price(entry, "ask", Number), wire.size(entry, "ask_qty", Number)),
            )
            for entry in entries
        ]
        facts: list[Fact] = []
        for (market, bid, ask), time in zip(read, times, strict=True):
            facts.append(Serves("quotes", market))
            acknowledged = self.rank.get(market, 0) == TICKER_BY_BEST
            if self.show(market, TICKER_BY_BEST if acknowledged else TICKER):
                quote = Quote.of(market, time, bid, ask, snapshot=snapshot)
                self.last_quote[market] = quote
                facts.append(quote)
        return facts

    def _book(
        self, entries: list[dict[str, Any]], times: list[int | None], snapshot: bool
    ) -> list[Fact]:
        read = [
            (
                wire.kraken_market(wire.field(entry, "symbol", str)),
                [_level(level) for level in wire.items(entry, "bids")],
                [_level(level) for level in wire.items(entry, "asks")],
                wire.integer(entry, "checksum"),
            )
            for entry in entries
        ]
        facts: list[Fact] = []
        for (market, bids, asks, checksum), time in zip(read, times, strict=True):
            facts.append(Serves("quotes", market))
            is_source = self.show(market, BOOK)
            book = self._book_of(market)
            was_lost = book.state == "lost"
            if snapshot:
                book.replace(bids, asks)
            elif book.state == "valid":
                book.change(bids, asks)
            if book.state != "valid" or book.checksum() != checksum:
                lost = self._lose(market)
                facts += [] if was_lost else lost
            elif is_source:
                facts += self._best(market, book, time, snapshot=snapshot)
        return facts

    def _best(self, market: str, book: Book, time: int | None, *, snapshot: bool) -> list[Fact]:
        best = [
            (float(side[0][0]), float(side[0][1])) if side else None
            for side in (book.bids(), book.asks())
        ]
        quote = Quote.of(market, time, *best, snapshot=snapshot)
        last = self.last_quote.get(market)
        if not snapshot and last is not None and quote.same_best(last):
            return []
        self.last_quote[market] = quote
        return [quote]

    def _trade(
        self, entries: list[dict[str, Any]], times: list[int | None], snapshot: bool
    ) -> list[Fact]:
        read = []
        for entry in entries:
            side = {"buy": 1, "sell": -1}.get(wire.field(entry, "side", str))
            if side is None:
                raise wire.MalformedError("side is neither buy nor sell")
            market = wire.kraken_market(wire.field(entry, "symbol", str))
            price = wire.price(entry, "price", Number)
            size = wire.size(entry, "qty", Number)
            read.append((market, wire.integer(entry, "trade_id"), price, size, side))
        facts: list[Fact] = []
        for (market, number, price, size, side), time in zip(read, times, strict=True):
            facts.append(Serves("trades", market))
            new, _ = self.is_new_trade(market, number)
            if new and not snapshot:
                facts.append(Trade(market, time, number, price, size, side))
        return facts


def _level(entry: dict[str, Any]) -> Level:
    wire.price(entry, "price", Number)
    wire.size(entry, "qty", Number)
    return entry["price"], entry["qty"]
