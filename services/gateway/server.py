"""The process: uvicorn, the reader's thread, and a stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import FrameType

import structlog
import uvicorn

from agents.runtime.logs import configure_logs
from models.settings import Settings
from services.gateway.app import create_app
from services.gateway.gateway import Gateway
from services.gateway.history.places import open_history
from services.gateway.kafka.reader import Reader, Taken
from services.gateway.kafka.topics import ReadTopic, read_topics
from services.gateway.orders.reading import Pasts
from services.gateway.stream.protocol import OutletProtocol

_LARGEST_MESSAGE = 64 * 1024
_POLL_S = 0.1
_END_LIMIT_S = 3
_FAILED = 1


def serve(settings: Settings, brokers: str) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Websocket clients are asked to connect elsewhere first. A second signal does not wait for them.
    """
    configure_logs(settings)
    topics = read_topics(settings.exchanges, settings.namespace)
    server: GatewayServer

    def failed(error: BaseException) -> None:
        structlog.get_logger().error("a part of the gateway ended", exc_info=error)
        server.fail()

    gateway = Gateway(
        settings,
        time.time_ns,
        _call_later,
        [topic.name for topic in topics],
        Pasts(brokers, settings).of,
        open_history(settings, brokers),
        failed,
    )
    app = create_app(gateway, reading(brokers, settings, topics))
    server = GatewayServer(
        uvicorn.Config(
            app,
            host=settings.gateway_host,
            port=settings.gateway_port,
            loop="uvloop",
            http="h11",
            ws=OutletProtocol,
            ws_max_size=_LARGEST_MESSAGE,
            # A frame is shared by all clients; compressing would make one for each.
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_END_LIMIT_S,
        ),
        gateway,
    )
    server.run()
    return _FAILED if server.has_failed or not server.started else 0


class GatewayServer(uvicorn.Server):
    """uvicorn's server that lets websocket clients leave before it stops."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self.has_failed = False
        self._gateway = gateway
        self._stop_asked = False
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Take note of a signal; the second one does not wait."""
        if self._stop_asked:
            self.should_exit = True
        self._stop_asked = True

    def fail(self) -> None:
        """Stop, since a part of the process has ended; may be called from any thread."""
        self.has_failed = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        for server in self.servers:
            for each in server.sockets:
                host, port = each.getsockname()[:2]
                structlog.get_logger().info("listening", address=f"http://{host}:{port}")

    async def on_tick(self, counter: int) -> bool:
        """Look after a planned stop, ten times a second."""
        if self._stop_asked and self._stop_at is None:
            drain_s = self._gateway.settings.gateway_drain_s
            self._stop_at = time.monotonic() + drain_s
            structlog.get_logger().info("stopping", clients=len(self._gateway.hub.clients))
            self._gateway.begin_stop(round(drain_s))
        if self._stop_at is not None and (
            not self._gateway.hub.clients or time.monotonic() >= self._stop_at
        ):
            self.should_exit = True
        return await super().on_tick(counter)


def reading(
    brokers: str,
    settings: Settings,
    topics: list[ReadTopic],
) -> Callable[[Gateway], contextlib.AbstractAsyncContextManager[None]]:
    """Return what reads these topics into a gateway while the server runs."""

    @contextlib.asynccontextmanager
    async def read(gateway: Gateway) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        is_over = threading.Event()

        def take(taken: Taken, done: threading.Event) -> None:
            try:
                gateway.take(taken)
            except Exception as error:  # noqa: BLE001 - a broken invariant of ours: stop loudly
                gateway.failed(error)
            finally:
                done.set()

        def hand_over(taken: Taken) -> None:
            done = threading.Event()
            loop.call_soon_threadsafe(take, taken, done)
            # What is not taken yet must not pile up; at the end nobody takes it any more.
            while not done.wait(_POLL_S) and not is_over.is_set():
                pass

        reader = Reader(brokers, settings, topics, hand_over, gateway.failed)
        reader.start()
        try:
            yield
        finally:
            is_over.set()
            reader.stop()
            await asyncio.to_thread(reader.join)

    return read


def _call_later(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, call)
