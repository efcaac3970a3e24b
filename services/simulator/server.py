"""The simulator's one port: websockets, REST, faults and figures about itself."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from aiohttp import web

from models.errors import StackError
from services.simulator.connections import Connections
from services.simulator.faults import Oddities
from services.simulator.log import SentLog
from services.simulator.market.model import SLICE_NS, ModelSettings
from services.simulator.pages import Pages
from services.simulator.play import Playback
from services.simulator.urls import LOOPBACK
from services.simulator.world import World

_STOP_WITHIN_S = 0.5
_SLICE_S = SLICE_NS / 1e9


class ServerSettings(msgspec.Struct, frozen=True):
    """What to serve; port 0 takes a free one. `limits` says whether connecting too often counts."""

    host: str = LOOPBACK
    port: int = 0
    model: ModelSettings = ModelSettings()
    oddities: Oddities = Oddities()
    log: Path | None = None
    play: Sequence[Path] = ()
    speed: float = 1.0
    limits: bool = True


class Simulator:
    """The running simulator; use it as an asynchronous context manager."""

    def __init__(self, settings: ServerSettings, now: Callable[[], int] = time.time_ns) -> None:
        """`now` is the clock (nanoseconds) that event time follows.

        Raises:
            CaptureError: a capture that shall be played cannot be read.
        """
        self.world = World(settings.model, now(), settings.oddities)
        self.port = settings.port
        self._settings = settings
        self._now = now
        self._stack = ExitStack()
        log = None if settings.log is None else self._stack.enter_context(SentLog(settings.log))
        self.connections = Connections(self.world, log, now, limits=settings.limits)
        playback = Playback(settings.play, settings.speed, now) if settings.play else None
        self._pages = Pages(self.world, self.connections, playback, now)
        self._runner: web.AppRunner | None = None
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Simulator:
        """Listen, and let time run.

        Raises:
            StackError: the port is taken.
        """
        application = web.Application()
        self._pages.add_to(application)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=_STOP_WITHIN_S, handle_signals=False
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise StackError(
                f"expected port {self.port} to be free for the simulator, but {error}"
            ) from error
        self.port = self._runner.addresses[0][1]
        self._pump = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def stop(self) -> None:
        """Announce the end where the exchange does, close every connection, and listen no more."""
        if self._pump is not None:
            self._pump.cancel()
        await self.connections.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        self._stack.close()

    async def wait(self) -> None:
        """Wait for ever, or for the error that ends the simulation."""
        if self._pump is not None:
            await self._pump

    async def _run(self) -> None:
        """Let event time follow the clock, a slice at a time, and send what that makes."""
        while True:
            behind = self._now() - self.world.now - SLICE_NS
            if behind < 0:
                await asyncio.sleep(-behind / 1e9)
                continue
            self.world.advance(self.world.now + SLICE_NS, self.connections.second_end)
            self.connections.flush()
            # However far behind: clients and their requests have their turn.
            await asyncio.sleep(0)


async def serve_until_stopped(
    settings: ServerSettings, announce: Callable[[Simulator], None]
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; `announce` is called once it is ready."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(settings) as simulator:
        announce(simulator)
        asked = asyncio.create_task(stop.wait())
        running = asyncio.create_task(simulator.wait())
        await asyncio.wait({asked, running}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if running.done():
            running.result()
        running.cancel()
