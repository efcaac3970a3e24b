"""Reads of history in threads of their own: so many at a time, of a client fewer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import ClassVar, TypeVar

from models.errors import StoreError
from services.gateway.problems import RefusedError

_THREADS = 4
_LOOK_S = 10.0
_RETRY_S = "1"
_AWAY_RETRY_S = "5"

Result = TypeVar("Result")


class HistoryBusyError(RefusedError):
    """Too many read history now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar = {"Retry-After": _RETRY_S}


class TooManyReadsError(RefusedError):
    """One client reads too much history at a time."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    headers: ClassVar = {"Retry-After": _RETRY_S}


class HistoryAwayError(RefusedError):
    """What keeps history cannot be read now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar = {"Retry-After": _AWAY_RETRY_S}

    def __init__(self, detail: str) -> None:
        super().__init__("history_away", detail)


class HistoryReads:
    """Counts what is read and lets in no more than there is room for. One event loop's thread."""

    def __init__(self, most: int) -> None:
        """At most so many reads are open at a time, of one client half as many."""
        self._most = most
        self._threads = ThreadPoolExecutor(min(_THREADS, most), "history")
        self._open: Counter[str] = Counter()
        self.is_away = False
        self.reads: Counter[tuple[str, str]] = Counter()
        self.refused = 0
        self.broken_off = 0
        self.rows = 0
        self.bytes = 0

    @property
    def open(self) -> int:
        """How many reads are open."""
        return self._open.total()

    @contextmanager
    def room(self, client: str) -> Iterator[None]:
        """Take a place for a read of a client.

        Raises:
            HistoryBusyError: there is none.
            TooManyReadsError: the client has its share.
        """
        release = self.take(client)
        try:
            yield
        finally:
            release()

    def take(self, client: str) -> Callable[[], None]:
        """Take a place as `room` does; return what gives it back."""
        share = max(1, self._most // 2)
        if self._open[client] >= share:
            self.refused += 1
            raise TooManyReadsError(
                "too_many_reads", f"expected at most {share} reads of history at a time"
            )
        if self.open >= self._most:
            self.refused += 1
            raise HistoryBusyError(
                "history_busy", f"expected at most {self._most} reads of history at a time"
            )
        self._open[client] += 1
        is_open = True

        def release() -> None:
            nonlocal is_open
            if is_open:
                is_open = False
                self._open[client] -= 1
                self._open += Counter()  # what is 0 goes

        return release

    async def run(self, call: Callable[[], Result]) -> Result:
        """Return what a call gives that may block.

        Raises:
            HistoryAwayError: a place cannot be read.
        """
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except StoreError as error:
            self.is_away = True
            raise HistoryAwayError(str(error)) from error
        self.is_away = False
        return result

    async def run_to_the_end(self, call: Callable[[], None]) -> None:
        """Make a call that tidies up; it is made even where the caller is cancelled."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, call))

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def keep_looking(reads: HistoryReads, look: Callable[[], None]) -> None:
    """See every ten seconds whether the archive can be read, until cancelled."""
    while True:
        with suppress(HistoryAwayError):
            await reads.run(look)
        await asyncio.sleep(_LOOK_S)
