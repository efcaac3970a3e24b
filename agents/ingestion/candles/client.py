"""An exchange's REST interface for candles: one request after the other, as slowly as it asks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import httpx
import structlog

from agents.ingestion.candles.minutes import CandleInterface, Minute
from agents.ingestion.exchanges.fields import malformed
from agents.ingestion.metrics import IngestionMetrics
from agents.runtime.backoff import Backoff
from models.errors import FrameError, InputError

_SECOND = 1_000_000_000
_LIMIT_S = 15.0
_PATIENCE_S = 5.0
_OK, _TEAPOT, _TOO_MANY, _SERVER_ERROR = 200, 418, 429, 500


class CandleClient:
    """Asks one exchange; what is refused for now is waited out.

    `bad` is told of every answer that could not be read, with the time and the text. `now` is the
    wall clock in nanoseconds.
    """

    def __init__(
        self,
        exchange: str,
        interface: CandleInterface,
        url: str,
        client: httpx.AsyncClient,
        metrics: IngestionMetrics,
        bad: Callable[[FrameError, int, str], None],
        now: Callable[[], int],
    ) -> None:
        """Ask for nothing yet."""
        self._exchange = exchange
        self._interface = interface
        self._url = url.rstrip("/")
        self._client = client
        self._metrics = metrics
        self._bad = bad
        self._now = now
        self._backoff = Backoff(_PATIENCE_S, random.random)
        self._tokens, self._refilled = interface.burst, 0.0
        self._log = structlog.get_logger(exchange=exchange)

    async def minutes(
        self, symbol: str, start: int, end: int, wanted: Callable[[], bool]
    ) -> tuple[list[Minute], int] | None:
        """Return what the exchange tells of [start, end) (seconds), and its own time (ns).

        Minutes beside the range may be among them. None as soon as it is not `wanted` any more.

        Raises:
            FrameError: an answer holds no candles; it has been counted and told.
        """
        minutes: list[Minute] = []
        exchange_now = 0
        for path in self._interface.requests(symbol, start, end):
            page = await self._page(path, wanted)
            if page is None:
                return None
            minutes += page[0]
            # The oldest answer: what it says was not finished then.
            exchange_now = min(exchange_now or page[1], page[1])
        return minutes, exchange_now

    async def _page(self, path: str, wanted: Callable[[], bool]) -> tuple[list[Minute], int] | None:
        while wanted():
            await self._turn()
            self._metrics.candle_request(self._exchange)
            try:
                answer = await self._client.get(self._url + path, timeout=_LIMIT_S)
            except httpx.HTTPError as error:
                await self._wait("unreachable", f"{type(error).__name__}: {error}", None)
                continue
            status = answer.status_code
            if status in {_TEAPOT, _TOO_MANY} or status >= _SERVER_ERROR:
                await self._wait(f"status_{status}", path, answer.headers.get("Retry-After"))
                continue
            try:
                if status != _OK:
                    raise malformed("candles", f"status {status}: {answer.text}")
                minutes = self._interface.read(answer.content)
            except FrameError as error:
                self._metrics.candle_failure(self._exchange, error.reason)
                self._bad(error, self._now(), answer.text)
                raise
            except InputError as error:
                await self._wait(error.reason, error.detail, None)
                continue
            self._backoff.reset()
            return minutes, self._time_of(answer)
        return None

    async def _wait(self, reason: str, detail: str, retry_after: str | None) -> None:
        """Ask for nothing until the exchange may be asked again."""
        self._metrics.candle_failure(self._exchange, reason)
        wait = self._backoff.next_wait()
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
            wait = float(retry_after)
        self._log.warning("candles_later", reason=reason, detail=detail[:200], wait_s=wait)
        await asyncio.sleep(wait)

    async def _turn(self) -> None:
        """Wait until a request may go out (a token bucket)."""
        interface, loop = self._interface, asyncio.get_running_loop()
        time = loop.time()
        gained = (time - self._refilled) * interface.rate
        self._tokens = min(interface.burst, self._tokens + gained) - 1.0
        self._refilled = time
        if self._tokens < 0.0:
            await asyncio.sleep(-self._tokens / interface.rate)

    def _time_of(self, answer: httpx.Response) -> int:
        """Return the exchange's time of an answer in nanoseconds; our own where it tells none."""
        try:
            return int(parsedate_to_datetime(answer.headers["Date"]).timestamp()) * _SECOND
        except (KeyError, ValueError, TypeError, OverflowError):
            return self._now()
