"""Binance's spot streams, combined (`/stream`) and raw (`/ws`).

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams: at most 1,024
streams a connection and 5 messages a second from a client; a ping every 20 s that wants its pong
within a minute; a connection ends after 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from services.simulator.exchanges import binance_frames as frames
from services.simulator.exchanges.session import (
    SentTick,
    Session,
    Subscribers,
    ping_frame,
    text_frame,
)
from services.simulator.market.history import History
from services.simulator.market.state import Market, MarketEvent

_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_PING_EVERY_S = 20
_PONG_WITHIN_NS = 60 * _SECOND
_LIFETIME_NS = 24 * 3_600 * _SECOND
_MESSAGES_A_SECOND = 5
_MOST_STREAMS = 1_024
_POLICY_VIOLATION = 1008
_DEPTHS = {"depth@100ms": 100 * _MILLISECOND, "depth": _SECOND}
_TICKERS = {"ticker": frames.day_ticker, "miniTicker": frames.mini_ticker}

_INVALID = {"code": 2, "msg": "Invalid request: expected method, params and id"}
_NOT_JSON = {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}


class _Depth(msgspec.Struct):
    """What a depth stream gathers: changes since the update before `first`."""

    market: Market
    first: int
    changes: dict[tuple[str, int], int] = {}


class BinanceFeed:
    """Binance's side of its connections; see `Feed`. Unknown streams are taken and stay silent."""

    def __init__(self, markets: Iterable[Market], history: History) -> None:
        self._symbols = {f"{m.listing.base}{m.listing.quote}": m for m in markets}
        self._names = {market.number: name for name, market in self._symbols.items()}
        self._lower = {number: name.lower() for number, name in self._names.items()}
        self._history = history
        self._subscribers: Subscribers[str] = Subscribers()
        self._open: dict[Session, None] = {}
        self._depths: dict[str, dict[int, _Depth]] = {name: {} for name in _DEPTHS}
        self._traded: dict[int, Market] = {}

    def open(self, session: Session, path: str, query: str) -> None:
        """Subscribe to the streams of the address."""
        self._open[session] = None
        session.combined = path.startswith("stream")
        if session.combined:
            named = parse_qs(query).get("streams", [""])[0].split("/")
        else:
            named = path.split("/")[1:]
        self._add(session, [stream for stream in named if stream])

    def close(self, session: Session) -> None:
        """Forget a connection."""
        self._open.pop(session, None)
        streams = list(self._subscribers.keys_of(session))
        self._subscribers.drop(session)
        self._forget_depths(streams)

    def announce_stop(self, now: int) -> None:
        """Tell every connection to go elsewhere."""
        for session in self._open:
            self._deliver((session,), "!serverShutdown", frames.server_shutdown(now))

    def receive(self, session: Session, text: str, now: int) -> None:
        """Answer a request; too many of them end the connection."""
        session.received = [time for time in session.received if now - time < _SECOND]
        session.received.append(now)
        if len(session.received) > _MESSAGES_A_SECOND:
            session.close(_POLICY_VIOLATION, "Too many requests")
            return
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._answer(session, {"error": _NOT_JSON, "id": None})
            return
        identity = request.get("id")
        params = request.get("params", [])
        if not isinstance(params, list) or not all(isinstance(each, str) for each in params):
            self._answer(session, {"error": _INVALID, "id": identity})
            return
        result: Any = None
        match request.get("method"):
            case "SUBSCRIBE":
                self._add(session, params)
            case "UNSUBSCRIBE":
                for stream in params:
                    self._subscribers.remove(stream, session)
                self._forget_depths(params)
            case "LIST_SUBSCRIPTIONS":
                result = list(self._subscribers.keys_of(session))
            case _:
                self._answer(session, {"error": _INVALID, "id": identity})
                return
        self._answer(session, {"result": result, "id": identity})

    def event(self, event: MarketEvent) -> None:
        """Send trades and best levels at once; depth waits."""
        market = event.market
        symbol, lower = self._names[market.number], self._lower[market.number]
        if event.fills:
            self._trades(market, event, symbol, lower)
        if event.best_changed and (sessions := self._subscribers.of(f"{lower}@bookTicker")):
            tick = SentTick(
                "quote", market.listing.market, market.update_id, 0, market.best_values()
            )
            data = frames.book_ticker(symbol, market)
            self._deliver(sessions, f"{lower}@bookTicker", data, tick)
        for by_number in self._depths.values():
            if depth := by_number.get(market.number):
                for tick_number, size in event.changes.bids:
                    depth.changes["b", tick_number] = size
                for tick_number, size in event.changes.asks:
                    depth.changes["a", tick_number] = size

    def slice_end(self, now: int) -> None:
        """Send gathered depth when its time is over."""
        for name, interval in _DEPTHS.items():
            if now % interval:
                continue
            for number, depth in self._depths[name].items():
                if depth.changes:
                    self._send_depth(name, number, depth, now)

    def second_end(self, now: int) -> None:
        """Send tickers and pings; end connections that are silent or too old."""
        traded, self._traded = self._traded, {}
        for number, market in traded.items():
            for kind, render in _TICKERS.items():
                stream = f"{self._lower[number]}@{kind}"
                if sessions := self._subscribers.of(stream):
                    day = self._history.day(market)
                    data = render(self._names[number], market, day, now)
                    self._deliver(sessions, stream, data)
        for session in self._open:
            age = now - session.opened
            if round(age / _SECOND) % _PING_EVERY_S == 0 and age > _SECOND:
                session.outgoing.append(ping_frame(str(now // _MILLISECOND)))
            if now - session.ponged > _PONG_WITHIN_NS:
                session.close(_POLICY_VIOLATION, "Pong timeout")
            elif age > _LIFETIME_NS:
                session.close(1001, "24 hours are over")

    def _add(self, session: Session, streams: Iterable[str]) -> None:
        for stream in streams:
            self._subscribers.add(stream, session)
            lower, _, kind = stream.partition("@")
            market = self._symbols.get(lower.upper())
            if market is not None and kind in _DEPTHS:
                fresh = _Depth(market, market.update_id + 1)
                self._depths[kind].setdefault(market.number, fresh)
            elif market is not None and kind in _TICKERS:
                self._traded[market.number] = market
        if len(list(self._subscribers.keys_of(session))) > _MOST_STREAMS:
            session.close(_POLICY_VIOLATION, f"More than {_MOST_STREAMS} streams")

    def _forget_depths(self, streams: Iterable[str]) -> None:
        for stream in streams:
            lower, _, kind = stream.partition("@")
            market = self._symbols.get(lower.upper())
            if market is not None and kind in _DEPTHS and not self._subscribers.of(stream):
                self._depths[kind].pop(market.number, None)

    @staticmethod
    def _answer(session: Session, message: dict[str, Any]) -> None:
        session.send(msgspec.json.encode(message).decode())

    @staticmethod
    def _deliver(
        sessions: Iterable[Session], stream: str, data: str, tick: SentTick | None = None
    ) -> None:
        """Send data to connections, each in the form it asked for."""
        ticks = () if tick is None else (tick,)
        raw: bytes | None = None
        combined: bytes | None = None
        for session in sessions:
            if session.combined:
                combined = combined or text_frame(frames.combined(stream, data))
                session.send_ticks(combined, ticks)
            else:
                raw = raw or text_frame(data)
                session.send_ticks(raw, ticks)

    def _trades(self, market: Market, event: MarketEvent, symbol: str, lower: str) -> None:
        single = self._subscribers.of(f"{lower}@trade")
        aggregate = self._subscribers.of(f"{lower}@aggTrade")
        self._traded[market.number] = market
        for fill in event.fills if single or aggregate else ():
            price, name, side = market.price(fill.tick), market.listing.market, float(fill.side)
            own_time = fill.time - fill.time % _MILLISECOND
            for piece, lots in enumerate(fill.pieces if single else ()):
                values = (price, market.size(lots), side)
                tick = SentTick("trade", name, fill.first_id + piece, own_time, values)
                data = frames.trade(symbol, market, fill, piece)
                self._deliver(single, f"{lower}@trade", data, tick)
            if aggregate:
                last_id = fill.first_id + len(fill.pieces) - 1
                values = (price, market.size(sum(fill.pieces)), side)
                data = frames.aggregate_trade(symbol, market, fill)
                tick = SentTick("trade", name, last_id, own_time, values)
                self._deliver(aggregate, f"{lower}@aggTrade", data, tick)

    def _send_depth(self, name: str, number: int, depth: _Depth, now: int) -> None:
        market, stream = depth.market, f"{self._lower[number]}@{name}"
        data = frames.depth_update(self._names[number], market, depth.first, depth.changes, now)
        self._deliver(self._subscribers.of(stream), stream, data)
        depth.first, depth.changes = market.update_id + 1, {}
