"""What is put together beside the event loop, and what becomes of its failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from models.settings import Settings
from services.gateway.app import create_app
from services.gateway.gateway import Gateway
from services.gateway.rendering import Rendering
from tests.unit.gateway.calls import nothing_to_read
from tests.unit.gateway.made import Clock, Schedule


def _fail() -> bytes:
    raise ValueError("a figure that cannot be written")


def _told(rendering: Callable[[Callable[[BaseException], None]], None]) -> BaseException:
    """Return what the first failure told, in a loop of its own."""

    async def wait() -> BaseException:
        told: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        rendering(told.set_result)
        return await asyncio.wait_for(told, 30)

    return asyncio.run(wait())


def test_a_failed_rendering_is_told_so_that_its_channel_does_not_go_silent() -> None:
    """What waits behind it would wait for ever, with nothing that says so."""
    error = _told(lambda failed: Rendering(failed).beside(_fail, lambda _frames: None))
    assert str(error) == "a figure that cannot be written"


def test_a_failed_delivery_is_told_too() -> None:
    """What is done with the rendered bytes is part of it."""

    def refuse(frames: bytes) -> None:
        raise LookupError(f"nobody waits for {frames!r}")

    error = _told(lambda failed: Rendering(failed).beside(lambda: b"frames", refuse))
    assert str(error) == "nobody waits for b'frames'"


def test_what_comes_due_after_a_failure_is_rendered_all_the_same() -> None:
    """Until the process has stopped, the threads work on."""

    async def run() -> tuple[list[BaseException], bytes]:
        given: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        told: list[BaseException] = []
        rendering = Rendering(told.append)
        rendering.beside(_fail, lambda _frames: None)
        rendering.beside(lambda: b"frames", given.set_result)
        return told, await asyncio.wait_for(given, 30)

    told, frames = asyncio.run(run())
    assert frames == b"frames"
    assert len(told) == 1


def test_heartbeats_that_end_by_themselves_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them a client could not tell a quiet market from a dead line."""

    async def run() -> BaseException:
        told: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        gateway = Gateway(Settings(), Clock(), Schedule(), [], failed=told.set_result)

        def beat() -> None:
            raise ValueError("no beat")

        monkeypatch.setattr(gateway, "beat", beat)
        monkeypatch.setattr("services.gateway.gateway.BEAT_S", 0.01)
        app = create_app(gateway, nothing_to_read)
        async with app.router.lifespan_context(app):
            return await asyncio.wait_for(told, 30)

    assert str(asyncio.run(run())) == "no beat"
