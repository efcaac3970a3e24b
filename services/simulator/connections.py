"""The websockets of the simulator: thin shells that carry what the protocols queue.

Frames are written to the transport as the protocols made them, many at once: a market event is
rendered once for all its connections, and one slice of time is one write a connection.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import WSMsgType, web

from services.simulator.exchanges.session import SentTick, Session
from services.simulator.log import Counters, LogLine, SentLog
from services.simulator.rest.answer import Bucket
from services.simulator.world import World

_MOST_WAITING = 64 * 1024 * 1024
_CLOSE_WITHIN_S = 0.3
# Burst and rate a second of new connections: Coinbase 8 a second, Kraken 150 and Binance 300 in
# ten and five minutes.
_CONNECTS = {"coinbase": (20.0, 8.0), "kraken": (150.0, 0.25), "binance": (300.0, 1.0)}


class _Link(msgspec.Struct):
    """A session and its socket."""

    session: Session
    socket: web.WebSocketResponse
    transport: asyncio.Transport
    ending: asyncio.Task[bool] | None = None


class Connections:
    """All open websockets of all exchanges."""

    def __init__(
        self,
        world: World,
        log: SentLog | None,
        clock: Callable[[], int] = time.time_ns,
        *,
        limits: bool = True,
    ) -> None:
        """`clock` gives the times of the log; `limits` says whether connecting too often counts."""
        self.counters = {exchange: Counters() for exchange in world.feeds}
        self._world = world
        self._log = log
        self._clock = clock
        self._links: dict[Session, _Link] = {}
        self._numbers = itertools.count(1)
        self._buckets = {name: Bucket(*limit) for name, limit in _CONNECTS.items()}
        self._limits = limits

    async def serve(self, request: web.Request, exchange: str, path: str) -> web.StreamResponse:
        """Carry one connection until it ends."""
        now, counters = self._world.now, self.counters[exchange]
        if self._world.faults.refuses(exchange, now):
            counters.refused += 1
            return web.Response(status=503, text="refused by request")
        if self._limits and not self._buckets[exchange].take(now):
            counters.refused += 1
            return web.Response(status=429, text="too many connections")
        # Pings are answered below, so that pongs can be seen too.
        socket = web.WebSocketResponse(autoping=False, compress=False, timeout=_CLOSE_WITHIN_S)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        session = Session(exchange, f"{exchange}-{next(self._numbers)}", now)
        self._links[session] = _Link(session, socket, transport)
        counters.open += 1
        counters.opened += 1
        feed = self._world.feeds[exchange]
        try:
            feed.open(session, path, request.query_string)
            self._flush(self._links[session])
            await self._receive(self._links[session])
        finally:
            feed.close(session)
            del self._links[session]
            counters.open -= 1
        return socket

    def flush(self) -> None:
        """Send everything that is queued."""
        for link in list(self._links.values()):
            if link.session.outgoing or link.session.closing:
                self._flush(link)

    def second_end(self, now: int) -> None:
        """Let chance strike."""
        for link in list(self._links.values()):
            if self._world.faults.second_end(link.session, now):
                link.transport.abort()
        if self._log is not None:
            self._log.flush()

    def drop(self, exchange: str) -> int:
        """Cut all connections of an exchange without a word; return how many."""
        links = [link for link in self._links.values() if link.session.exchange == exchange]
        for link in links:
            link.transport.abort()
        return len(links)

    def shown(self) -> Mapping[str, object]:
        """Return the counters by exchange."""
        return {exchange: counters.shown() for exchange, counters in self.counters.items()}

    async def stop(self) -> None:
        """Announce the end where the exchange does, then close everything."""
        for feed in self._world.feeds.values():
            feed.announce_stop(self._world.now)
        for link in list(self._links.values()):
            link.session.close(1001, "server shutdown")
            self._flush(link)
        endings = [link.ending for link in self._links.values() if link.ending is not None]
        if endings:
            await asyncio.wait(endings, timeout=2 * _CLOSE_WITHIN_S)
        for link in list(self._links.values()):
            link.transport.abort()

    async def _receive(self, link: _Link) -> None:
        session, feed = link.session, self._world.feeds[link.session.exchange]
        async for message in link.socket:
            if message.type is WSMsgType.TEXT:
                feed.receive(session, message.data, self._world.now)
                self._flush(link)
            elif message.type is WSMsgType.PING:
                await link.socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                session.ponged = self._world.now

    def _flush(self, link: _Link) -> None:
        session, transport = link.session, link.transport
        now, counters = self._world.now, self.counters[session.exchange]
        if self._world.faults.is_silent(session, now):
            return
        frames, ticks = session.outgoing, session.ticks
        session.outgoing, session.ticks = [], []
        # After the closing frame a client reads nothing more.
        accepted = link.ending is None and not transport.is_closing()
        if frames:
            data = b"".join(frames)
            if accepted and transport.get_write_buffer_size() + len(data) > _MOST_WAITING:
                # Slow consumers are disconnected.
                counters.slow += 1
                transport.abort()
                accepted = False
            if accepted:
                transport.write(data)
                counters.writes += 1
                counters.frames += len(frames)
                counters.bytes += len(data)
        if ticks:
            self._note(session, ticks, accepted=accepted)
        if session.closing and link.ending is None:
            code, reason = session.closing
            link.ending = asyncio.ensure_future(
                link.socket.close(code=code, message=reason.encode())
            )

    def _note(self, session: Session, ticks: list[SentTick], *, accepted: bool) -> None:
        counters = self.counters[session.exchange]
        counters.ticks += len(ticks)
        counters.lost_ticks += 0 if accepted else len(ticks)
        if self._log is not None:
            line = LogLine(self._clock(), session.exchange, session.name, accepted, ticks)
            self._log.write(line)
