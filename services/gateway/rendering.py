"""What takes more than some milliseconds to put together, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 2
"""Of Python only one thread runs at a time: each one more lets the event loop wait longer."""

Result = TypeVar("Result")


class Rendering:
    """Threads that turn copies of what is in memory into bytes."""

    def __init__(self) -> None:
        """None is started before it is needed."""
        self._threads = ThreadPoolExecutor(_THREADS, "rendering")

    async def run(self, call: Callable[[], Result]) -> Result:
        """Return what a call gives. It must not touch what the event loop changes."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
