"""Kraken's websocket v2.

Source: https://docs.kraken.com/api/docs/websocket-v2/book and its neighbours. A `ticker` with
`event_trigger` `bbo` is sent whenever the best levels change in price or size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from services.simulator.exchanges import kraken_frames as frames
from services.simulator.exchanges.kraken_instruments import instrument_lists
from services.simulator.exchanges.kraken_requests import Request, Wish, answer, read
from services.simulator.exchanges.session import (
    SentTick,
    Session,
    Subscribers,
    iso_time,
    text_frame,
)
from services.simulator.market.book import Level
from services.simulator.market.history import History
from services.simulator.market.state import Market, MarketEvent

Key = tuple[str, int]
"""`ticker:bbo`, `ticker:trades`, `trade`, `book:10` (a depth) and the number of a market."""
View = tuple[list[Level], list[Level]]


class KrakenFeed:
    """Kraken's side of its connections; see `Feed`.

    `corrupt` is asked for every book frame whether its checksum shall be wrong.
    """

    def __init__(
        self,
        markets: Iterable[Market],
        history: History,
        now: Callable[[], int],
        corrupt: Callable[[], bool],
    ) -> None:
        """`now` is event time, for what is stamped when it is sent."""
        self._symbols = {f"{m.listing.base}/{m.listing.quote}": m for m in markets}
        self._names = {market.number: name for name, market in self._symbols.items()}
        self._history = history
        self._now = now
        self._corrupt = corrupt
        self._subscribers: Subscribers[Key] = Subscribers()
        self._depths: dict[int, dict[int, View]] = {}
        self._connections = 0

    def open(self, session: Session, path: str, query: str) -> None:  # noqa: ARG002
        """Tell the exchange's status."""
        self._connections += 1
        status = {
            "version": "2.0.10",
            "system": "online",
            "api_version": "v2",
            # Above 2^53 on purpose, as the real ones: a float cannot hold it.
            "connection_id": 3_364_750_901_719_990_000 + self._connections,
        }
        self._send(session, {"channel": "status", "type": "update", "data": [status]})

    def close(self, session: Session) -> None:
        """Forget a connection."""
        keys = list(self._subscribers.keys_of(session))
        self._subscribers.drop(session)
        for key in keys:
            self._forget_view(key)

    def announce_stop(self, now: int) -> None:
        """Say nothing: Kraken does not."""

    def receive(self, session: Session, text: str, now: int) -> None:
        """Answer a request, once for every symbol of it."""
        request = read(text)
        if request.method == "ping":
            pong = {"method": "pong", "time_in": iso_time(now), "time_out": iso_time(now)}
            self._send(session, pong | request.echo())
        elif request.problem:
            self._send(session, answer(request, None, request.problem, now))
        elif request.channel == "instrument":
            self._instruments(session, request, now)
        else:
            take = self._subscribe if request.method == "subscribe" else self._unsubscribe
            for symbol in request.symbols:
                market = self._symbols.get(symbol)
                if market is None:
                    problem = f"Currency pair not supported {symbol}"
                    self._send(session, answer(request, Wish(symbol), problem, now))
                else:
                    take(session, request, symbol, market)

    def event(self, event: MarketEvent) -> None:
        """Send trades, tickers and book changes."""
        market, of = event.market, self._subscribers.of
        number = market.number
        if event.fills:
            if sessions := of(("trade", number)):
                self._send_trades(market, event, sessions)
            if sessions := of(("ticker:trades", number)):
                self._send_ticker(market, event.time, sessions)
        if event.best_changed and (sessions := of(("ticker:bbo", number))):
            self._send_ticker(market, event.time, sessions)
        if views := self._depths.get(number):
            for depth, view in views.items():
                views[depth] = self._send_book(market, event.time, depth, view)

    def slice_end(self, now: int) -> None:
        """Send nothing: Kraken gathers nothing."""

    def second_end(self, now: int) -> None:  # noqa: ARG002
        """Send heartbeats to whoever has subscribed."""
        frame = text_frame(frames.HEARTBEAT)
        for session in self._subscribers.sessions():
            session.send_ticks(frame, ())

    @staticmethod
    def _send(session: Session, message: dict[str, Any]) -> None:
        session.send(msgspec.json.encode(message).decode())

    def _subscribe(self, session: Session, request: Request, symbol: str, market: Market) -> None:
        now = self._now()
        if not self._subscribers.add((request.key, market.number), session):
            self._send(session, answer(request, Wish(symbol), "Already subscribed", now))
            return
        self._send(session, answer(request, Wish(symbol, request.shown()), None, now))
        if request.channel == "book":
            depths = self._depths.setdefault(market.number, {})
            book = market.book
            view = (book.bids.top(request.depth), book.asks.top(request.depth))
            depths[request.depth] = view
            if request.snapshot:
                self._send_snapshot(session, market, request.depth, view)
        elif request.channel == "ticker" and request.snapshot:
            day = self._history.day(market)
            text = frames.ticker(symbol, market, "snapshot", now, day)
            session.send_ticks(text_frame(text), (_quote(market, "snapshot", 0),))
        elif request.channel == "trade" and request.snapshot:
            session.send(frames.trades(symbol, market, "snapshot", market.last_trades))

    def _unsubscribe(self, session: Session, request: Request, symbol: str, market: Market) -> None:
        channel = request.channel
        found = [
            key
            for key in self._subscribers.keys_of(session)
            if key[0].partition(":")[0] == channel and key[1] == market.number
        ]
        if channel == "book" and request.names_depth:
            found = [key for key in found if key[0] == request.key]
        problem = None if found else "Subscription not found"
        for key in found:
            self._subscribers.remove(key, session)
            self._forget_view(key)
        shown = request.shown() if found else {}
        self._send(session, answer(request, Wish(symbol, shown), problem, self._now()))

    def _forget_view(self, key: Key) -> None:
        channel, _, depth = key[0].partition(":")
        if channel == "book" and not self._subscribers.of(key):
            self._depths.get(key[1], {}).pop(int(depth), None)

    def _instruments(self, session: Session, request: Request, now: int) -> None:
        self._send(session, answer(request, Wish(None, request.shown()), None, now))
        if request.method == "subscribe":
            data = instrument_lists(self._symbols)
            self._send(session, {"channel": "instrument", "type": "snapshot", "data": data})

    def _send_ticker(self, market: Market, time: int, sessions: Iterable[Session]) -> None:
        symbol, day = self._names[market.number], self._history.day(market)
        frame = text_frame(frames.ticker(symbol, market, "update", time, day))
        quote = (_quote(market, "quote", time),)
        for session in sessions:
            session.send_ticks(frame, quote)

    def _send_trades(self, market: Market, event: MarketEvent, sessions: Iterable[Session]) -> None:
        text = frames.trades(self._names[market.number], market, "update", event.fills)
        ticks = [
            SentTick(
                "trade",
                market.listing.market,
                fill.first_id + piece,
                fill.time,
                (market.price(fill.tick), market.size(lots), float(fill.side)),
            )
            for fill in event.fills
            for piece, lots in enumerate(fill.pieces)
        ]
        for session in sessions:
            session.send_ticks(text_frame(text), ticks)

    def _send_snapshot(self, session: Session, market: Market, depth: int, view: View) -> None:
        symbol = self._names[market.number]
        total = frames.checksum(market, *view)
        text = frames.book(symbol, market, "snapshot", view, total, self._now())
        session.quotes[f"book:{depth}", market.number] = market.best
        session.send_ticks(text_frame(text), (_quote(market, "snapshot", 0),))

    def _send_book(self, market: Market, time: int, depth: int, before: View) -> View:
        """Tell how the best `depth` levels changed; return them."""
        book = market.book
        after = (book.bids.top(depth), book.asks.top(depth))
        if after == before:
            return before
        total = frames.checksum(market, *after) ^ int(self._corrupt())
        changes = (
            _difference(before[0], after[0], market.book.bids.size),
            _difference(before[1], after[1], market.book.asks.size),
        )
        symbol = self._names[market.number]
        frame = text_frame(frames.book(symbol, market, "update", changes, total, time))
        quote = (_quote(market, "quote", time),)
        key = (f"book:{depth}", market.number)
        for session in self._subscribers.of(key):
            changed = session.quotes.get(key) != market.best
            session.quotes[key] = market.best
            session.send_ticks(frame, quote if changed else ())
        return after


def _difference(before: list[Level], after: list[Level], size: Callable[[int], int]) -> list[Level]:
    """Return what makes the one the other for a reader who keeps only so many levels.

    A level that fell out of the depth but not out of the book is not told.
    """
    known = dict(before)
    gone = known.keys() - dict(after).keys()
    changes = [(tick, 0) for tick, _ in before if tick in gone and not size(tick)]
    return changes + [level for level in after if known.get(level[0]) != level[1]]


def _quote(market: Market, kind: Literal["quote", "snapshot"], time: int) -> SentTick:
    return SentTick(kind, market.listing.market, 0, time, market.best_values())
