"""uvicorn's websocket protocol with one thing more: ready frames go straight to the transport.

A server's frames are the same for every client, so an update is framed once and its bytes are
shared; sending it through ASGI would frame it anew for everyone. An application finds the outlet
in the scope, under `extensions`.
"""

from __future__ import annotations

import socket
from asyncio import BaseTransport
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "cointide.outlet"

_HIGH_WATER = 256 * 1024
# Unsent bytes in the kernel are out of reach and grow stale there.
_KERNEL_UNSENT = 64 * 1024
_CLOSE_LIMIT_S = 5.0


class OutletProtocol(WebSocketsSansIOProtocol):
    """One websocket connection, also as the `Outlet` of a hub's client."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.is_full = False
        self._free: Callable[[], None] = _nothing

    def connection_made(self, transport: BaseTransport) -> None:
        """Keep what is buffered for a slow client small."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        connected: socket.socket | None = transport.get_extra_info("socket")
        low = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if low is not None and connected is not None and connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, low, _KERNEL_UNSENT)

    def handle_connect(self, event: Request) -> None:
        """Offer the outlet to the application, which starts after this."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[EXTENSION] = self

    def pause_writing(self) -> None:
        """Take note that the client is slow."""
        self.is_full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Let what waits go on."""
        self.is_full = False
        super().resume_writing()
        self._free()

    def write(self, frames: bytes) -> None:
        """Send whole frames; nothing is sent behind a close."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frames)

    def when_free(self, call: Callable[[], None]) -> None:
        """Call this whenever the outlet is no longer full."""
        self._free = call

    def end(self, code: int, reason: str) -> None:
        """Close behind what has been sent; a client that takes nothing is cut off."""
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.close_timer = self.loop.call_later(_CLOSE_LIMIT_S, self.transport.abort)


def _nothing() -> None:
    pass
