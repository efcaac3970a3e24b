"""What takes more than some milliseconds to put together, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 2
"""Of Python only one thread runs at a time: each one more lets the event loop wait longer."""

Result = TypeVar("Result")


def raised(error: BaseException) -> None:
    """Raise it."""
    raise error


class Rendering:
    """Threads that turn copies of what is in memory into bytes."""

    def __init__(self, failed: Callable[[BaseException], None] = raised) -> None:
        """None is started before it is needed; `failed` takes what `beside` ended with."""
        self._failed = failed
        self._threads = ThreadPoolExecutor(_THREADS, "rendering")

    async def run(self, call: Callable[[], Result]) -> Result:
        """Return what a call gives. It must not touch what the event loop changes."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def beside(self, call: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Make a call as `run` does, then give what it gives to another on the event loop.

        Without a loop there is nobody who would wait: both are made at once.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            then(call())
            return

        def give(done: asyncio.Future[Result]) -> None:
            if done.cancelled():
                return
            try:
                then(done.result())
            except Exception as error:  # noqa: BLE001 - else what waits for it waits for ever
                self._failed(error)

        loop.run_in_executor(self._threads, call).add_done_callback(give)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
