"""The parser of a connection to Coinbase Exchange.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels and
docs/from-frames-to-figures.md, sections 1 to 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from agents.ingestion.exchanges import coinbase_frames as frames
from agents.ingestion.exchanges.events import (
    Event,
    GapBegins,
    Notice,
    Pair,
    ParsedFrame,
    Trade,
    TradesLost,
)
from agents.ingestion.exchanges.fields import levels_of, prices_of, sizes_of, time_of
from agents.ingestion.exchanges.levels import PriceBook
from agents.ingestion.exchanges.market_state import SNAPSHOT, MarketState
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.own_time import OwnTimeConnection
from models.markets import market_name

_TICKER, _LEVEL2 = 1, 2
_QUOTE_CHANNELS = {
    "ticker": _TICKER,
    "ticker_1000": _TICKER,
    "ticker_batch": _TICKER,
    "level2": _LEVEL2,
    "level2_50": _LEVEL2,
    "level2_batch": _LEVEL2,
}
# The maker's side is named; the taker did the opposite.
_TAKER_SIDE = {"buy": -1, "sell": 1}


class _Product(MarketState):
    """A product on one connection; `book` is None until its snapshot came."""

    __slots__ = ("book", "book_awaited", "ticker_seen")

    def __init__(self, market: str) -> None:
        super().__init__(market)
        self.book: PriceBook | None = None
        self.book_awaited = False
        self.ticker_seen = False


class CoinbaseConnection(OwnTimeConnection):
    """Reads the frames of one connection; see `Connection`."""

    def __init__(self, memory: ExchangeMemory) -> None:
        super().__init__(memory)
        self._products: dict[str, _Product] = {}
        self._readers: dict[type[frames.Frame], Callable[[int, Any], ParsedFrame]] = {
            frames.Subscriptions: self._subscriptions,
            frames.Snapshot: self._snapshot,
            frames.Level2Update: self._update,
            frames.Ticker: self._ticker,
            frames.Match: self._match,
            frames.LastMatch: self._last_match,
            frames.Heartbeat: self._heartbeat,
            frames.Error: self._error,
        }

    def receive(self, receive_time: int, frame: str) -> ParsedFrame:
        """Read one frame.

        Raises:
            FrameError: `malformed_frame` or `unknown_message`; nothing of it was applied.
        """
        message = frames.decode(frame)
        return self._readers[type(message)](receive_time, message)

    def book(self, product_id: str) -> PriceBook | None:
        """Return the level2 book of a product; None when there is none."""
        product = self._products.get(product_id)
        return product.book if product else None

    def _product(self, product_id: str) -> _Product:
        product = self._products.get(product_id)
        if product is None:
            # A coin's name may have a hyphen of its own; a quote currency has none.
            base, _, quote = product_id.rpartition("-")
            product = _Product(market_name("coinbase", base, quote))
            self._products[product_id] = product
        return product

    def _clock(self, receive_time: int, own_time: int) -> tuple[int, int]:
        """Return the frame time and the flags of a tick at that time."""
        return self._place(receive_time, own_time, self._frame_time(receive_time, own_time))

    def _subscriptions(self, receive_time: int, ack: frames.Subscriptions) -> ParsedFrame:
        named = [
            (channel.name, self._product(product_id))
            for channel in ack.channels
            for product_id in channel.product_ids or ()
        ]
        serves: tuple[Pair, ...] = ()
        for name, product in named:
            rank = _QUOTE_CHANNELS.get(name)
            if rank is not None:
                product.show(rank)
                serves += product.serve("quotes")
            elif name == "matches":
                serves += product.serve("trades")
        detail = "; ".join(
            f"{channel.name} {','.join(channel.product_ids or ())}" for channel in ack.channels
        )
        notice = Notice("subscribed", None, detail)
        return ParsedFrame(self.frame_time_without_own(receive_time), serves, (notice,))

    def _snapshot(self, receive_time: int, snapshot: frames.Snapshot) -> ParsedFrame:
        product = self._product(snapshot.product_id)
        bids, asks = levels_of(snapshot.bids), levels_of(snapshot.asks)
        # It is not used, but what is no time is no good frame.
        time_of(snapshot.time)
        book = product.book = PriceBook()
        book.load(bids, asks)
        product.show(_LEVEL2)
        time = self.frame_time_without_own(receive_time)
        events: tuple[Event, ...] = (product.quote(time, 0, book.best(), SNAPSHOT),)
        if product.book_awaited:
            product.book_awaited = False
            events = (Notice("synced", product.market, "level2 snapshot"), *events)
        return ParsedFrame(time, product.serve("quotes"), events)

    def _update(self, receive_time: int, update: frames.Level2Update) -> ParsedFrame:
        product = self._product(update.product_id)
        own_time = time_of(update.time)
        bids: list[tuple[float, float]] = []
        asks: list[tuple[float, float]] = []
        prices = prices_of([price for _, price, _ in update.changes])
        sizes = sizes_of([size for _, _, size in update.changes])
        for change, price, size in zip(update.changes, prices, sizes, strict=True):
            (bids if change[0] == "buy" else asks).append((price, size))
        time, flags = self._clock(receive_time, own_time)
        product.show(_LEVEL2)
        serves = product.serve("quotes")
        book = product.book
        if book is None:
            return self._update_before_snapshot(time, serves, update.product_id, product)
        book.update(bids, asks)
        best = book.best()
        if not product.changes(best):
            return ParsedFrame(time, serves)
        return ParsedFrame(time, serves, (product.quote(time, own_time, best, flags),))

    def _update_before_snapshot(
        self, time: int, serves: tuple[Pair, ...], product_id: str, product: _Product
    ) -> ParsedFrame:
        if product.book_awaited:
            return ParsedFrame(time, serves)
        product.book_awaited = True
        gap = GapBegins(product.market, "an update before the snapshot")
        return ParsedFrame(time, serves, (gap,), _resubscription(product_id))

    def _ticker(self, receive_time: int, ticker: frames.Ticker) -> ParsedFrame:
        product = self._product(ticker.product_id)
        bid, ask = prices_of((ticker.best_bid, ticker.best_ask))
        bid_size, ask_size = sizes_of((ticker.best_bid_size, ticker.best_ask_size))
        own_time = time_of(ticker.time)
        # The first one replays the last trade, up to minutes old.
        first = not product.ticker_seen
        if first:
            own_time = 0
            product.ticker_seen = True
        time, flags = self._clock(receive_time, own_time)
        product.show(_TICKER)
        serves = product.serve("quotes")
        if product.source != _TICKER:
            return ParsedFrame(time, serves)
        flags |= SNAPSHOT if first else 0
        best = (bid, bid_size, ask, ask_size)
        return ParsedFrame(time, serves, (product.quote(time, own_time, best, flags),))

    def _match(self, receive_time: int, match: frames.Match) -> ParsedFrame:
        product = self._product(match.product_id)
        (price,), (size,) = prices_of((match.price,)), sizes_of((match.size,))
        own_time = time_of(match.time)
        time, flags = self._clock(receive_time, own_time)
        serves = product.serve("trades")
        market, trade_id = product.market, match.trade_id
        missed = product.missed_before(trade_id, self._memory.last_trade_id(market))
        if not self._memory.admit_trade(market, trade_id):
            return ParsedFrame(time, serves)
        side = _TAKER_SIDE[match.side]
        trade = Trade(market, time, own_time, price, size, side, trade_id, flags)
        events = (TradesLost(market, missed, time), trade) if missed else (trade,)
        return ParsedFrame(time, serves, events)

    def _last_match(self, receive_time: int, match: frames.LastMatch) -> ParsedFrame:
        product = self._product(match.product_id)
        prices_of((match.price,)), sizes_of((match.size,))
        # A snapshot of the past, perhaps of minutes ago: its time must be one, and is not used.
        time_of(match.time)
        self._memory.skip_trades(product.market, match.trade_id)
        return ParsedFrame(self.frame_time_without_own(receive_time), product.serve("trades"))

    def _heartbeat(self, receive_time: int, heartbeat: frames.Heartbeat) -> ParsedFrame:
        time, _ = self._clock(receive_time, time_of(heartbeat.time))
        return ParsedFrame(time)

    def _error(self, receive_time: int, error: frames.Error) -> ParsedFrame:
        notice = Notice("error", None, f"{error.message}: {error.reason}")
        return ParsedFrame(self.frame_time_without_own(receive_time), (), (notice,))


def _resubscription(product_id: str) -> tuple[str, ...]:
    """Return the requests that bring a new snapshot of one product's book."""
    return tuple(
        msgspec.json.encode(
            {"type": request, "product_ids": [product_id], "channels": ["level2_batch"]}
        ).decode()
        for request in ("unsubscribe", "subscribe")
    )
