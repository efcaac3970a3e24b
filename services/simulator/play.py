"""Captures as live feeds: a client gets a captured connection's frames at their pace.

The frames are as they were captured, whatever the client asks for, from the first one on for every
client; the n-th client of an exchange gets its n-th captured connection, and after the last one the
first again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from aiohttp import web

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.merge import merge_captures
from models.errors import CaptureError

_SHORTEST_WAIT_NS = 2_000_000


class Playback:
    """Plays captures; `speed` times as fast as they were, by the clock `now` (nanoseconds)."""

    def __init__(self, paths: Sequence[Path], speed: float, now: Callable[[], int]) -> None:
        """Read all captures once, to know their connections.

        Raises:
            CaptureError: one of them cannot be read, or there is no frame in them.
        """
        self._paths = paths
        self._speed = speed
        self._now = now
        self._connections: dict[str, list[str]] = {}
        self._served: dict[str, int] = {}
        for captured in merge_captures(paths):
            known = self._connections.setdefault(captured.exchange, [])
            if captured.kind == "frame" and captured.connection not in known:
                known.append(captured.connection)
        if not any(self._connections.values()):
            raise CaptureError("empty_capture", "expected frames to play, found none")

    @property
    def exchanges(self) -> tuple[str, ...]:
        """The exchanges that there are captured connections of."""
        return tuple(name for name, known in self._connections.items() if known)

    async def serve(self, request: web.Request, exchange: str) -> web.StreamResponse:
        """Play a connection to a client, then close."""
        connections = self._connections[exchange]
        number = self._served.get(exchange, 0)
        self._served[exchange] = number + 1
        socket = web.WebSocketResponse(compress=False, timeout=0.3)
        await socket.prepare(request)
        player = asyncio.create_task(
            self._play(socket, exchange, connections[number % len(connections)])
        )
        try:
            async for _ in socket:
                pass
        finally:
            player.cancel()
        return socket

    async def _play(self, socket: web.WebSocketResponse, exchange: str, connection: str) -> None:
        async for captured in self._paced(self._frames(exchange, connection)):
            # A text frame has to be UTF-8; what was captured otherwise is marked.
            await socket.send_str(captured.frame.encode("utf-8", "replace").decode())
        await socket.close()

    def _frames(self, exchange: str, connection: str) -> Iterator[CapturedFrame]:
        for captured in merge_captures(self._paths):
            wanted = captured.exchange == exchange and captured.connection == connection
            if wanted and captured.kind == "frame":
                yield captured

    async def _paced(self, frames: Iterator[CapturedFrame]) -> AsyncIterator[CapturedFrame]:
        begun: tuple[int, int] | None = None
        for captured in frames:
            begun = begun or (self._now(), captured.t)
            due = begun[0] + int((captured.t - begun[1]) / self._speed)
            wait = due - self._now()
            if wait > _SHORTEST_WAIT_NS:
                await asyncio.sleep(wait / 1e9)
            yield captured
