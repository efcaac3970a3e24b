"""The parser of a connection to Kraken's websocket v2.

Source: https://docs.kraken.com/api/docs/websocket-v2/book (and its neighbours), and
docs/from-frames-to-figures.md, sections 1 to 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from agents.ingestion.exchanges import kraken_frames as frames
from agents.ingestion.exchanges.events import Event, GapBegins, Notice, Pair, ParsedFrame, Trade
from agents.ingestion.exchanges.fields import time_of
from agents.ingestion.exchanges.kraken_book import KrakenBook, ReadLevel, read_levels
from agents.ingestion.exchanges.market_state import SNAPSHOT, MarketState
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.own_time import OwnTimeConnection
from models.errors import FrameError
from models.markets import KRAKEN_ALIASES, market_name

_TICKER, _BOOK, _TICKER_BY_QUOTE = 1, 2, 3
_TAKER_SIDE = {"buy": 1, "sell": -1}


class _Symbol(MarketState):
    """A symbol on one connection; `ticker_rank` is what its ticker is worth as a source."""

    __slots__ = ("book", "ticker_rank")

    def __init__(self, market: str) -> None:
        super().__init__(market)
        self.book = KrakenBook()
        self.ticker_rank = _TICKER


class _BookChange(msgspec.Struct, frozen=True, gc=False):
    """An item of a book frame, read and found good."""

    name: str
    symbol: _Symbol
    bids: list[ReadLevel]
    asks: list[ReadLevel]
    checksum: int
    own_time: int


class KrakenConnection(OwnTimeConnection):
    """Reads the frames of one connection; see `Connection`.

    `checksums` counts how many held (True) and how many did not (False).
    """

    def __init__(self, memory: ExchangeMemory) -> None:
        super().__init__(memory)
        self._symbols: dict[str, _Symbol] = {}
        self.checksums = {True: 0, False: 0}
        self._readers: dict[type[msgspec.Struct], Callable[[int, Any], ParsedFrame]] = {
            frames.Ticker: self._ticker,
            frames.Book: self._book,
            frames.Trades: self._trades,
            frames.Status: self._status,
            frames.Heartbeat: self._nothing,
            frames.Instrument: self._nothing,
            frames.Subscribe: self._subscribed,
            frames.Unsubscribe: self._unsubscribed,
            frames.Pong: self._pong,
            frames.Ping: self._refused,
            frames.Refusal: self._refused,
        }

    def receive(self, receive_time: int, frame: str) -> ParsedFrame:
        """Read one frame.

        Raises:
            FrameError: `malformed_frame` or `unknown_message`; nothing of it was applied.
        """
        message = frames.decode(frame)
        return self._readers[type(message)](receive_time, message)

    def _symbol(self, name: str) -> _Symbol:
        symbol = self._symbols.get(name)
        if symbol is None:
            base, _, quote = name.partition("/")
            market = market_name(
                "kraken", KRAKEN_ALIASES.get(base, base), KRAKEN_ALIASES.get(quote, quote)
            )
            symbol = self._symbols[name] = _Symbol(market)
        return symbol

    def _ticker(self, receive_time: int, ticker: frames.Ticker) -> ParsedFrame:
        snapshot = ticker.type == "snapshot"
        items = [
            (self._symbol(item.symbol), item, _own_time(item.timestamp, snapshot=snapshot))
            for item in ticker.data
        ]
        frame_time = self._frame_time(receive_time, _newest(items))
        serves: tuple[Pair, ...] = ()
        events = []
        for symbol, item, own_time in items:
            symbol.show(symbol.ticker_rank)
            serves += symbol.serve("quotes")
            time, flags = self._place(receive_time, own_time, frame_time)
            if symbol.source == symbol.ticker_rank:
                best = (item.bid, item.bid_qty, item.ask, item.ask_qty)
                flags |= SNAPSHOT if snapshot else 0
                events.append(symbol.quote(time, own_time, best, flags))
        return ParsedFrame(frame_time, serves, tuple(events))

    def _book(self, receive_time: int, book: frames.Book) -> ParsedFrame:
        snapshot = book.type == "snapshot"
        changes = [
            _BookChange(
                item.symbol,
                self._symbol(item.symbol),
                read_levels(item.bids),
                read_levels(item.asks),
                item.checksum,
                _own_time(item.timestamp, snapshot=snapshot),
            )
            for item in book.data
        ]
        frame_time = self._frame_time(
            receive_time, max((change.own_time for change in changes), default=0)
        )
        serves: tuple[Pair, ...] = ()
        events: list[Event] = []
        replies: tuple[str, ...] = ()
        for change in changes:
            change.symbol.show(_BOOK)
            serves += change.symbol.serve("quotes")
            time, flags = self._place(receive_time, change.own_time, frame_time)
            if snapshot:
                replies += self._load(change, time, events)
            else:
                replies += self._update(change, time, flags, events)
        return ParsedFrame(frame_time, serves, tuple(events), replies)

    def _load(self, change: _BookChange, time: int, events: list[Event]) -> tuple[str, ...]:
        """Take in a snapshot; return the replies."""
        symbol, book = change.symbol, change.symbol.book
        holds = book.load(change.bids, change.asks, change.checksum)
        self.checksums[holds] += 1
        if not holds:
            return self._lose(change, "a snapshot's checksum does not hold", events)
        if book.lost:
            book.lost = False
            events.append(Notice("synced", symbol.market, "book snapshot"))
        if symbol.source == _BOOK:
            events.append(symbol.quote(time, 0, book.best(), SNAPSHOT))
        return ()

    def _update(
        self, change: _BookChange, time: int, flags: int, events: list[Event]
    ) -> tuple[str, ...]:
        """Take in an update; return the replies."""
        symbol, book = change.symbol, change.symbol.book
        if book.lost:
            return ()
        if not book.in_step:
            return self._lose(change, "an update before the snapshot", events)
        holds = book.update(change.bids, change.asks, change.checksum)
        self.checksums[holds] += 1
        if not holds:
            return self._lose(change, "the checksum does not hold", events)
        if symbol.source == _BOOK:
            best = book.best()
            if symbol.changes(best):
                events.append(symbol.quote(time, change.own_time, best, flags))
        return ()

    def _lose(self, change: _BookChange, detail: str, events: list[Event]) -> tuple[str, ...]:
        """Give a book up; return the requests that bring a new snapshot of it alone."""
        symbol = change.symbol
        if symbol.book.lose() and symbol.source == _BOOK:
            events.append(GapBegins(symbol.market, detail))
        params = {"channel": "book", "symbol": [change.name], "depth": symbol.book.depth}
        return (
            _request("unsubscribe", params),
            _request("subscribe", params | {"snapshot": True}),
        )

    def _trades(self, receive_time: int, trades: frames.Trades) -> ParsedFrame:
        snapshot = trades.type == "snapshot"
        items = [
            (self._symbol(item.symbol), item, _own_time(item.timestamp, snapshot=snapshot))
            for item in trades.data
        ]
        frame_time = self._frame_time(receive_time, _newest(items))
        serves: tuple[Pair, ...] = ()
        events = []
        for symbol, item, own_time in items:
            market = symbol.market
            serves += symbol.serve("trades")
            if snapshot:
                self._memory.skip_trades(market, item.trade_id)
                continue
            time, flags = self._place(receive_time, own_time, frame_time)
            if self._memory.admit_trade(market, item.trade_id):
                side = _TAKER_SIDE[item.side]
                events.append(
                    Trade(market, time, own_time, item.price, item.qty, side, item.trade_id, flags)
                )
        return ParsedFrame(frame_time, serves, tuple(events))

    def _subscribed(self, receive_time: int, ack: frames.Subscribe) -> ParsedFrame:
        result = ack.result
        if not ack.success or result is None:
            return self._refused(receive_time, ack)
        frame_time = self.frame_time_without_own(receive_time)
        if result.symbol is None or result.channel not in {"ticker", "book", "trade"}:
            return ParsedFrame(frame_time, (), (Notice("subscribed", None, result.channel),))
        symbol = self._symbol(result.symbol)
        if result.channel == "trade":
            serves = symbol.serve("trades")
        else:
            serves = symbol.serve("quotes")
            if result.channel == "book":
                symbol.book.depth = result.depth or symbol.book.depth
                symbol.show(_BOOK)
            else:
                if result.event_trigger == "bbo":
                    symbol.ticker_rank = _TICKER_BY_QUOTE
                symbol.show(symbol.ticker_rank)
        notice = Notice("subscribed", symbol.market, result.channel)
        return ParsedFrame(frame_time, serves, (notice,))

    def _unsubscribed(self, receive_time: int, ack: frames.Unsubscribe) -> ParsedFrame:
        result = ack.result
        if not ack.success or result is None:
            return self._refused(receive_time, ack)
        symbol = self._symbol(result.symbol) if result.symbol is not None else None
        market = symbol.market if symbol else None
        events: list[Event] = [Notice("unsubscribed", market, result.channel)]
        if symbol and result.channel == "book" and symbol.book.lose() and symbol.source == _BOOK:
            events.append(GapBegins(symbol.market, "the book's subscription ended"))
        return ParsedFrame(self.frame_time_without_own(receive_time), (), tuple(events))

    def _refused(
        self, receive_time: int, answer: frames.MethodFrame | frames.Refusal
    ) -> ParsedFrame:
        market = None
        if isinstance(answer, frames.MethodFrame) and answer.symbol is not None:
            try:
                market = self._symbol(answer.symbol).market
            except FrameError:
                # What was refused may well be a symbol that is none.
                market = None
        notice = Notice("rejected", market, answer.error)
        return ParsedFrame(self.frame_time_without_own(receive_time), (), (notice,))

    def _status(self, receive_time: int, status: frames.Status) -> ParsedFrame:
        notices = tuple(Notice("status", None, item.system) for item in status.data)
        return ParsedFrame(self.frame_time_without_own(receive_time), (), notices)

    def _pong(self, receive_time: int, _: frames.Pong) -> ParsedFrame:
        frame_time = self.frame_time_without_own(receive_time)
        return ParsedFrame(frame_time, (), (Notice("pong", None, ""),))

    def _nothing(self, receive_time: int, _: msgspec.Struct) -> ParsedFrame:
        return ParsedFrame(self.frame_time_without_own(receive_time))


def _request(method: str, params: dict[str, object]) -> str:
    return msgspec.json.encode({"method": method, "params": params}).decode()


def _own_time(timestamp: str | None, *, snapshot: bool) -> int:
    """Return an item's own time; a snapshot has none, though what stands there must be one."""
    own_time = time_of(timestamp)
    return 0 if snapshot else own_time


def _newest(items: list[tuple[_Symbol, Any, int]]) -> int:
    """Return the newest own time of a frame's items; 0 where none has one."""
    return max((own_time for _, _, own_time in items), default=0)
