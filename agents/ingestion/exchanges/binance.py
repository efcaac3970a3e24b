"""The parser of a connection to Binance's spot streams, combined or raw.

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams and
docs/from-frames-to-figures.md, sections 1 to 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from agents.ingestion.exchanges import binance_frames as frames
from agents.ingestion.exchanges.binance_book import DepthBook, DepthChange
from agents.ingestion.exchanges.binance_symbols import Instruments, market_of
from agents.ingestion.exchanges.events import (
    Event,
    GapBegins,
    Notice,
    ParsedFrame,
    Trade,
    TradesLost,
)
from agents.ingestion.exchanges.fields import levels_of, malformed, prices_of, sizes_of
from agents.ingestion.exchanges.market_state import MarketState
from agents.ingestion.exchanges.memory import ExchangeMemory

_DEPTH, _BOOK_TICKER = 1, 2


class _Symbol(MarketState):
    """A symbol on one connection; `depth` is None until its first depth frame."""

    __slots__ = ("depth", "has_single_trades")

    def __init__(self, market: str) -> None:
        super().__init__(market)
        self.depth: DepthBook | None = None
        self.has_single_trades = False


class BinanceConnection:
    """Reads the frames of one connection; see `Connection`.

    `symbols` are base and quote by symbol. Where one is missing, its market is guessed and
    written into the memory's `guessed_symbols`.
    """

    def __init__(self, memory: ExchangeMemory, symbols: Instruments) -> None:
        self._memory = memory
        self._instruments = symbols
        self._symbols: dict[str, _Symbol] = {}
        self._readers: dict[type[msgspec.Struct], Callable[[int, Any], ParsedFrame]] = {
            frames.BookTicker: self._book_ticker,
            frames.TradeFrame: self._trade,
            frames.AggregateTrade: self._aggregate_trade,
            frames.DepthUpdate: self._depth,
            frames.ServerShutdown: self._shutdown,
            frames.Answer: self._answer,
        }

    def receive(self, receive_time: int, frame: str) -> ParsedFrame:
        """Read one frame.

        Raises:
            FrameError: `malformed_frame` or `unknown_message`; nothing of it was applied.
        """
        message = frames.decode(frame)
        return self._readers[type(message)](receive_time, message)

    def receive_rest(self, receive_time: int, body: str, url: str | None) -> ParsedFrame:
        """Read a depth snapshot.

        Its symbol is the `symbol` of the address; without an address the only one of which this
        connection has seen depth.

        Raises:
            FrameError: it is no depth snapshot, or of no known symbol; nothing of it was applied.
        """
        snapshot = frames.decode_snapshot(body)
        bids, asks = levels_of(snapshot.bids), levels_of(snapshot.asks)
        symbol = self._symbol(self._symbol_of_url(url) if url else self._only_symbol_with_depth())
        book = symbol.depth = symbol.depth or DepthBook()
        was_in_step = book.in_step
        book.load(snapshot.lastUpdateId, bids, asks)
        return ParsedFrame(receive_time, (), _synced(symbol, was_in_step))

    def frame_time_without_own(self, receive_time: int) -> int:
        """Return `receive_time`: Binance's quotes carry no time, so every frame counts with it."""
        return receive_time

    def depth(self, symbol: str) -> DepthBook | None:
        """Return the depth book of a symbol; None before its first depth."""
        state = self._symbols.get(symbol)
        return state.depth if state else None

    def _symbol(self, name: str) -> _Symbol:
        symbol = self._symbols.get(name)
        if symbol is None:
            market, guessed = market_of(name, self._instruments)
            if guessed:
                self._memory.guessed_symbols[name] = market
            symbol = self._symbols[name] = _Symbol(market)
        return symbol

    @staticmethod
    def _symbol_of_url(url: str) -> str:
        try:
            values = parse_qs(urlsplit(url).query).get("symbol", [])
        except ValueError:
            values = []
        if len(values) != 1:
            raise malformed("an address with one `symbol`", url)
        return values[0].upper()

    def _only_symbol_with_depth(self) -> str:
        names = [name for name, symbol in self._symbols.items() if symbol.depth is not None]
        if len(names) != 1:
            raise malformed("an address, or depth of one symbol before it", f"depth of {names}")
        return names[0]

    def _book_ticker(self, receive_time: int, ticker: frames.BookTicker) -> ParsedFrame:
        bid, ask = prices_of((ticker.b, ticker.a))
        bid_size, ask_size = sizes_of((ticker.B, ticker.A))
        symbol = self._symbol(ticker.s)
        symbol.show(_BOOK_TICKER)
        serves = symbol.serve("quotes")
        if not self._memory.admit_quote(symbol.market, ticker.u):
            return ParsedFrame(receive_time, serves)
        quote = symbol.quote(receive_time, 0, (bid, bid_size, ask, ask_size), 0)
        return ParsedFrame(receive_time, serves, (quote,))

    def _trade(self, receive_time: int, trade: frames.TradeFrame) -> ParsedFrame:
        (price,), (size,) = prices_of((trade.p,)), sizes_of((trade.q,))
        symbol = self._symbol(trade.s)
        own_time = trade.T * 1_000_000
        self._memory.observe(receive_time, own_time)
        symbol.has_single_trades = True
        market, trade_id = symbol.market, trade.t
        missed = symbol.missed_before(trade_id, self._memory.last_trade_id(market))
        events: tuple[Event, ...] = ()
        if self._memory.admit_trade(market, trade_id):
            side = -1 if trade.m else 1
            placed = self._placed(receive_time, own_time, market, price, size, side, trade_id)
            events = (TradesLost(market, missed, placed.time), placed) if missed else (placed,)
        return ParsedFrame(receive_time, symbol.serve("trades"), events)

    def _aggregate_trade(self, receive_time: int, trade: frames.AggregateTrade) -> ParsedFrame:
        (price,), (size,) = prices_of((trade.p,)), sizes_of((trade.q,))
        symbol = self._symbol(trade.s)
        own_time = trade.T * 1_000_000
        self._memory.observe(receive_time, own_time)
        market, trade_id = symbol.market, trade.l
        events: tuple[Event, ...] = ()
        if not symbol.has_single_trades and self._memory.admit_trade(market, trade_id):
            side = -1 if trade.m else 1
            events = (self._placed(receive_time, own_time, market, price, size, side, trade_id),)
        return ParsedFrame(receive_time, symbol.serve("trades"), events)

    def _placed(
        self,
        receive_time: int,
        own_time: int,
        market: str,
        price: float,
        size: float,
        side: int,
        trade_id: int,
    ) -> Trade:
        """Make a trade among the quotes of its moment: by its own time it precedes them."""
        time, flags = self._memory.place(receive_time, own_time)
        time = min(receive_time, time + self._memory.skew.at(receive_time))
        return Trade(market, time, own_time, price, size, side, trade_id, flags)

    def _depth(self, receive_time: int, depth: frames.DepthUpdate) -> ParsedFrame:
        change = DepthChange(depth.U, depth.u, levels_of(depth.b), levels_of(depth.a))
        symbol = self._symbol(depth.s)
        symbol.show(_DEPTH)
        serves = symbol.serve("quotes")
        events: tuple[Event, ...] = ()
        if serves:
            # Depth gives no quotes: until the book ticker shows, the market cannot be seen.
            events = (GapBegins(symbol.market, "depth alone gives no quotes"),)
        book = symbol.depth = symbol.depth or DepthBook()
        was_in_step = book.in_step
        book.update(change)
        return ParsedFrame(receive_time, serves, events + _synced(symbol, was_in_step))

    def _shutdown(self, receive_time: int, _: frames.ServerShutdown) -> ParsedFrame:
        return ParsedFrame(receive_time, (), (Notice("shutdown", None, "server shutdown"),))

    def _answer(self, receive_time: int, answer: frames.Answer) -> ParsedFrame:
        error, result = bytes(answer.error).decode(), bytes(answer.result).decode()
        notice = Notice("subscribed", None, f"request {answer.id}")
        if error != "null":
            notice = Notice("rejected", None, f"request {answer.id}: {error}")
        elif answer.code is not None:
            notice = Notice("error", None, f"{answer.code}: {answer.msg}")
        elif result != "null":
            notice = Notice("status", None, f"request {answer.id}: {result}")
        return ParsedFrame(receive_time, (), (notice,))


def _synced(symbol: _Symbol, was_in_step: bool) -> tuple[Event, ...]:
    """Return the notice that a book came into step, where it did."""
    if was_in_step or symbol.depth is None or not symbol.depth.in_step:
        return ()
    return (Notice("synced", symbol.market, f"depth as of update {symbol.depth.last_id}"),)
