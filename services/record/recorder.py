"""Frames of one exchange's websocket into a capture, as they come."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from agents.ingestion.captures.captured import CapturedFrame, FrameKind
from agents.ingestion.captures.writer import CaptureWriter
from agents.ingestion.subscriptions import CHANNELS, subscribe_frames
from agents.runtime.backoff import Backoff
from models.errors import TransportError

# Coinbase's book snapshots pass the library's default of 1 MiB.
_LARGEST_FRAME = 16 * 1024 * 1024
_CONNECT_LIMIT_S = 10.0


class Recorder:
    """Records one exchange; `frames` counts what was written.

    `markets` are pairs, `BTC-USD`. `now` gives receive times in nanoseconds.
    """

    def __init__(
        self,
        exchange: str,
        markets: Sequence[str],
        writer: CaptureWriter,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.frames = 0
        self._exchange = exchange
        self._symbols = [symbol_of(exchange, market) for market in markets]
        self._writer = writer
        self._now = now
        self._newest = 0
        self._connection = 0

    async def record(self, websocket_url: str, rest_url: str) -> None:
        """Record until cancelled; a lost connection is made again.

        Raises:
            TransportError: the exchange could not be reached at all.
        """
        channel = CHANNELS[self._exchange]
        backoff = Backoff(channel.retry_floor_s, random.random)
        if self._exchange == "binance":
            await self._write_instruments(rest_url)
        while True:
            before = self.frames
            self._connection += 1
            try:
                async with connect(
                    websocket_url.rstrip("/") + channel.path,
                    max_size=_LARGEST_FRAME,
                    open_timeout=_CONNECT_LIMIT_S,
                ) as socket:
                    self._write("open", "")
                    await self._session(socket)
            except (OSError, WebSocketException, TimeoutError) as error:
                if not self.frames:
                    raise TransportError(
                        f"expected frames of {self._exchange}, but {error}"
                    ) from error
            finally:
                if self.frames > before:
                    self._write("close", "")
                    backoff.reset()
            await asyncio.sleep(backoff.next_wait())

    async def _session(self, socket: ClientConnection) -> None:
        subscriber = asyncio.create_task(self._subscribe(socket))
        try:
            async for frame in socket:
                text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                self._write("frame", text)
                self.frames += 1
        finally:
            subscriber.cancel()

    async def _subscribe(self, socket: ClientConnection) -> None:
        for message in subscribe_frames(self._exchange, self._symbols):
            await socket.send(message)
            await asyncio.sleep(CHANNELS[self._exchange].message_gap_s)

    async def _write_instruments(self, rest_url: str) -> None:
        """Write the instrument list: Binance's symbols do not say where the base ends."""
        url = f"{rest_url}/api/v3/exchangeInfo"
        symbols = msgspec.json.encode(self._symbols).decode()
        try:
            async with httpx.AsyncClient(timeout=_CONNECT_LIMIT_S) as client:
                answer = await client.get(url, params={"symbols": symbols})
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise TransportError(f"expected an instrument list from {url}, but {error}") from error
        self._write("rest", answer.text, url)

    def _write(self, kind: FrameKind, text: str, url: str | None = None) -> None:
        # Receive times never run back in a capture, whatever the wall clock does.
        self._newest = max(self._newest, self._now())
        self._writer.write(
            CapturedFrame(self._newest, self._exchange, f"{self._connection}", kind, text, url)
        )


def symbol_of(exchange: str, market: str) -> str:
    """Return what the exchange's websocket calls a pair.

    >>> symbol_of("kraken", "BTC-USD"), symbol_of("binance", "BTC-USDT")
    ('BTC/USD', 'BTCUSDT')
    """
    base, _, quote = market.rpartition("-")
    return {"kraken": f"{base}/{quote}", "binance": f"{base}{quote}"}.get(exchange, market)
