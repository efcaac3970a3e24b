"""Coinbase Exchange's websocket feed.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels, and captured frames where
acknowledgements name channels otherwise than subscriptions do. One `l2update` a product and 50 ms
holds what changed since the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from services.simulator.exchanges import coinbase_frames as frames
from services.simulator.exchanges.session import (
    SentTick,
    Session,
    Subscribers,
    text_frame,
)
from services.simulator.market.history import History
from services.simulator.market.state import Fill, Market, MarketEvent

_SECOND = 1_000_000_000
_BATCH_NS = 50_000_000
_SUBSCRIBE_WITHIN_NS = 5 * _SECOND
# What is subscribed to, and what the acknowledgement calls it.
_NAMES = {
    "ticker": "ticker",
    "ticker_batch": "ticker_1000",
    "level2": "level2",
    "level2_batch": "level2_50",
    "matches": "matches",
    "heartbeat": "heartbeat",
}
_AUTHENTICATED = frozenset({"level2", "level3", "full", "user"})
_SIGNED = frozenset({"key", "passphrase", "signature", "timestamp"})

Key = tuple[str, int]
"""A channel and the number of a market."""
Changed = dict[tuple[str, int], int]
"""New sizes in lots by side and price in ticks."""


class CoinbaseFeed:
    """Coinbase's side of its connections; see `Feed`."""

    def __init__(self, markets: Iterable[Market], history: History) -> None:
        self._products = {f"{m.listing.base}-{m.listing.quote}": m for m in markets}
        self._ids = {market.number: name for name, market in self._products.items()}
        self._history = history
        self._subscribers: Subscribers[Key] = Subscribers()
        self._fresh: dict[Session, None] = {}
        self._pending: dict[int, tuple[Market, int, Changed]] = {}
        self._ticked: dict[int, Fill] = {}

    def open(self, session: Session, path: str, query: str) -> None:  # noqa: ARG002
        """Expect a subscription soon."""
        self._fresh[session] = None

    def close(self, session: Session) -> None:
        """Forget a connection."""
        self._subscribers.drop(session)
        self._fresh.pop(session, None)

    def announce_stop(self, now: int) -> None:
        """Say nothing: Coinbase does not."""

    def receive(self, session: Session, text: str, now: int) -> None:
        """Subscribe or unsubscribe; a request that is wrong in any part does nothing."""
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._refuse(session, "Malformed JSON", "expected a JSON object")
            return
        kind = str(request.get("type"))
        if kind not in {"subscribe", "unsubscribe"}:
            self._refuse(session, "Invalid message", f"{kind} is not a valid type")
            return
        wanted = self._wanted(request, everything=kind == "unsubscribe")
        if isinstance(wanted, str):
            self._refuse(session, f"Failed to {kind}", wanted)
            return
        self._fresh.pop(session, None)
        if kind == "unsubscribe":
            for key in wanted:
                self._subscribers.remove(key, session)
            session.send(self._acknowledgement(session))
            return
        new = [key for key in wanted if self._subscribers.add(key, session)]
        session.send(self._acknowledgement(session))
        for channel, number in new:
            self._greet(session, channel, self._products[self._ids[number]], now)

    def event(self, event: MarketEvent) -> None:
        """Send matches and tickers at once; book changes wait for the end of their batch."""
        market = event.market
        number = market.number
        if event.fills:
            matches = self._subscribers.of(("matches", number))
            tickers = self._subscribers.of(("ticker", number))
            if self._subscribers.of(("ticker_batch", number)):
                self._ticked[number] = event.fills[-1]
            if matches or tickers:
                self._trades(market, event.fills, matches, tickers)
        if self._subscribers.of(("level2_batch", number)):
            _, _, gathered = self._pending.setdefault(number, (market, 0, {}))
            gathered.update(_changes(event))
            self._pending[number] = (market, event.time, gathered)
        if self._subscribers.of(("level2", number)):
            self._update("level2", market, event.time, _changes(event))

    def slice_end(self, now: int) -> None:
        """Send the book changes of a batch when its time is over."""
        if now % _BATCH_NS:
            return
        pending, self._pending = self._pending, {}
        for market, time, changes in pending.values():
            self._update("level2_batch", market, time, changes)

    def second_end(self, now: int) -> None:
        """Send heartbeats and batched tickers; drop who has subscribed to nothing in time."""
        for channel, number in self._subscribers.wanted():
            if channel == "heartbeat":
                self._heartbeat(number, now)
        for number, fill in self._ticked.items():
            market = self._products[self._ids[number]]
            frame = self._ticker(market, fill, len(fill.pieces) - 1)
            tick = self._quote(market, "quote", fill.time)
            for session in self._subscribers.of(("ticker_batch", number)):
                session.send_ticks(frame, (tick,))
        self._ticked = {}
        for session in list(self._fresh):
            if now - session.opened >= _SUBSCRIBE_WITHIN_NS:
                session.close(1008, "expected a subscription within 5 s")

    def _wanted(self, request: dict[str, Any], *, everything: bool) -> list[Key] | str:
        """Return channels and markets of a request, or why it is refused."""
        shared = request.get("product_ids") or []
        wanted: list[Key] = []
        channels = request.get("channels")
        if not isinstance(channels, list) or not channels or not isinstance(shared, list):
            return "expected channels and product_ids"
        for channel in channels:
            one = {"name": channel} if isinstance(channel, str) else channel
            name = str(one.get("name")) if isinstance(one, dict) else ""
            # Whatever the signature: there are no accounts here.
            if name in _AUTHENTICATED and not (name == "level2" and request.keys() >= _SIGNED):
                return "level2, level3, and full channels now require authentication."
            if name not in _NAMES:
                return f"{name} is not a valid channel"
            products = one.get("product_ids") or shared
            if everything and not products:
                products = list(self._products)
            for product in products if isinstance(products, list) else (products,):
                market = self._products.get(product) if isinstance(product, str) else None
                if market is None:
                    return f"{product} is not a valid product"
                wanted.append((name, market.number))
        return wanted or "expected product_ids"

    @staticmethod
    def _refuse(session: Session, message: str, reason: str) -> None:
        error = {"type": "error", "message": message, "reason": reason}
        session.send(msgspec.json.encode(error).decode())

    def _acknowledgement(self, session: Session) -> str:
        by_channel: dict[str, list[str]] = {}
        for channel, number in self._subscribers.keys_of(session):
            by_channel.setdefault(_NAMES[channel], []).append(self._ids[number])
        channels = [
            {"name": name, "product_ids": products, "account_ids": None}
            for name, products in by_channel.items()
        ]
        return msgspec.json.encode({"type": "subscriptions", "channels": channels}).decode()

    def _greet(self, session: Session, channel: str, market: Market, now: int) -> None:
        """Send what a channel begins with."""
        last = market.last_trades[-1]
        piece = len(last.pieces) - 1
        if channel in {"level2", "level2_batch"}:
            session.quotes[channel, market.number] = market.best
            frame = text_frame(frames.snapshot(self._ids[market.number], market, now))
            session.send_ticks(frame, (self._quote(market, "snapshot", 0),))
        elif channel == "matches":
            product = self._ids[market.number]
            session.send(frames.match(product, market, "last_match", last, piece))
        elif channel in {"ticker", "ticker_batch"}:
            frame = self._ticker(market, last, piece)
            session.send_ticks(frame, (self._quote(market, "snapshot", 0),))

    def _trades(
        self,
        market: Market,
        fills: Iterable[Fill],
        matches: Iterable[Session],
        tickers: Iterable[Session],
    ) -> None:
        product = self._ids[market.number]
        for fill in fills:
            for piece, lots in enumerate(fill.pieces):
                if matches:
                    frame = text_frame(frames.match(product, market, "match", fill, piece))
                    values = (market.price(fill.tick), market.size(lots), float(fill.side))
                    tick = SentTick(
                        "trade", market.listing.market, fill.first_id + piece, fill.time, values
                    )
                    for session in matches:
                        session.send_ticks(frame, (tick,))
                if tickers:
                    frame = self._ticker(market, fill, piece)
                    tick = self._quote(market, "quote", fill.time)
                    for session in tickers:
                        session.send_ticks(frame, (tick,))

    def _update(self, channel: str, market: Market, time: int, changes: Changed) -> None:
        key = (channel, market.number)
        frame = text_frame(frames.update(self._ids[market.number], market, time, changes))
        quote = (self._quote(market, "quote", time),)
        for session in self._subscribers.of(key):
            changed = session.quotes.get(key) != market.best
            session.quotes[key] = market.best
            session.send_ticks(frame, quote if changed else ())

    def _heartbeat(self, number: int, now: int) -> None:
        product = self._ids[number]
        frame = text_frame(frames.heartbeat(product, self._products[product], now))
        for session in self._subscribers.of(("heartbeat", number)):
            session.send_ticks(frame, ())

    def _ticker(self, market: Market, fill: Fill, piece: int) -> bytes:
        day = self._history.day(market)
        return text_frame(frames.ticker(self._ids[market.number], market, fill, piece, day))

    @staticmethod
    def _quote(market: Market, kind: Literal["quote", "snapshot"], time: int) -> SentTick:
        return SentTick(kind, market.listing.market, 0, time, market.best_values())


def _changes(event: MarketEvent) -> Changed:
    changed = {("buy", tick): size for tick, size in event.changes.bids}
    return changed | {("sell", tick): size for tick, size in event.changes.asks}
