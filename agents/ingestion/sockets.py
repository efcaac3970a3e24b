"""Websockets to an exchange: thin shells around the line, which knows no socket."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from agents.ingestion.line import ExchangeLine
from agents.ingestion.subscriptions import CHANNELS, subscribe_frames, unsubscribe_frames
from agents.runtime.backoff import Backoff

# Coinbase's book snapshots pass the library's default of 1 MiB.
_LARGEST_FRAME = 16 * 1024 * 1024
_CONNECT_LIMIT_S = 10.0


class Endpoint(msgspec.Struct, frozen=True):
    """Where an exchange is, and after how much silence a connection is given up (seconds)."""

    exchange: str
    url: str
    silence_limit_s: float


class MarketSocket:
    """One connection that is kept up: it reconnects with back-off until it is stopped.

    `now` gives the receive time in nanoseconds. `pulse` is a symbol that is followed only because
    its frames tell that the transport lives; another connection has its ticks.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        line: ExchangeLine,
        symbols: Sequence[str],
        now: Callable[[], int] = time.time_ns,
        pulse: str | None = None,
    ) -> None:
        """Nothing is connected before `run`."""
        self._pulse = pulse
        self.name = name
        self.symbols = list(symbols)
        self.reconnects = 0
        self._endpoint = endpoint
        self._channel = CHANNELS[endpoint.exchange]
        self._line = line
        self._now = now
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._next_id = 1
        self._log = structlog.get_logger(exchange=endpoint.exchange, connection=name)

    @property
    def free(self) -> int:
        """How many more markets this connection takes."""
        return self._channel.capacity - len(self.symbols)

    def add(self, symbols: Sequence[str]) -> None:
        """Follow more markets."""
        self.symbols.extend(symbols)
        if self._pulse in symbols:
            self._pulse = None
        self._ask(subscribe_frames, symbols)

    def remove(self, symbols: Sequence[str]) -> None:
        """Follow these no more."""
        gone = [symbol for symbol in symbols if symbol in self.symbols]
        self.symbols = [symbol for symbol in self.symbols if symbol not in gone]
        self._ask(unsubscribe_frames, gone)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        backoff = Backoff(self._channel.retry_floor_s, random.random)
        while True:
            try:
                await self._session(backoff)
            except (OSError, WebSocketException, InvalidHandshake, InvalidURI, TimeoutError) as e:
                self._log.warning("connection_lost", error=f"{type(e).__name__}: {e}"[:300])
            finally:
                self._line.close(self.name, self._now())
            self.reconnects += 1
            await asyncio.sleep(backoff.next_wait())

    async def _session(self, backoff: Backoff) -> None:
        """Connect, subscribe, and hand frames to the line until the connection ends."""
        url = self._endpoint.url.rstrip("/") + self._channel.path
        async with connect(
            url, max_size=_LARGEST_FRAME, open_timeout=_CONNECT_LIMIT_S, compression=None
        ) as socket:
            self._line.open(self.name, self._now())
            self._outbox = asyncio.Queue()
            self._ask(subscribe_frames, [*self.symbols, *([self._pulse] if self._pulse else [])])
            sender = asyncio.create_task(self._send(socket))
            try:
                async with asyncio.timeout(self._channel.lifetime_s):
                    await self._receive(socket, backoff)
            finally:
                sender.cancel()

    async def _receive(self, socket: ClientConnection, backoff: Backoff) -> None:
        limit = 2 * self._endpoint.silence_limit_s
        while True:
            async with asyncio.timeout(limit):
                frame = await socket.recv(decode=True)
            text = frame if isinstance(frame, str) else frame.decode("utf-8", "surrogateescape")
            if self._pulse is not None and f'"{self._pulse}"' in text:
                # Its ids would make the same ticks repeats on the connection that they belong to.
                self._line.alive(self.name, self._now())
            else:
                for reply in self._line.frame(self.name, self._now(), text):
                    self._outbox.put_nowait(reply)
            backoff.reset()

    async def _send(self, socket: ClientConnection) -> None:
        """Send what waits, never faster than the exchange allows."""
        while True:
            message = await self._outbox.get()
            await socket.send(message)
            await asyncio.sleep(self._channel.message_gap_s)

    def _ask(
        self, frames: Callable[[str, Sequence[str], int], list[str]], symbols: Sequence[str]
    ) -> None:
        for message in frames(self._endpoint.exchange, symbols, self._next_id):
            self._outbox.put_nowait(message)
            self._next_id += 1
