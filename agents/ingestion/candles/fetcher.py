"""Candles of one exchange over HTTP: one request after the other, never faster than it allows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import httpx
import msgspec
import structlog

from agents.ingestion.candles.jobs import Job, Jobs
from agents.ingestion.candles.minutes import CandleInterface, Minute, candles_of, finished_until
from agents.ingestion.exchanges.fields import malformed
from agents.ingestion.metrics import IngestionMetrics
from agents.runtime.backoff import Backoff
from models.errors import FrameError, InputError
from models.records.candles import Candles

SETTLE_S = 2
"""How long after its end a minute counts as finished: an exchange may still be writing it."""

_SECOND = 1_000_000_000
_LOOK_S = 0.2
_LIMIT_S = 15.0
_PATIENCE_S = 5.0
_OK, _TEAPOT, _TOO_MANY, _SERVER_ERROR = 200, 418, 429, 500


class CandleFetcher:
    """Does the jobs of one exchange until it is cancelled.

    `outcomes` gets what was fetched. `bad` is told of every answer that could not be read, with
    the time and the text. `now` is the wall clock in nanoseconds.
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
        self.jobs = Jobs()
        self.outcomes: list[Candles] = []
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

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            job = self.jobs.next(self._now())
            if job is None:
                await asyncio.sleep(_LOOK_S)
            else:
                await self._do(job)

    async def _do(self, job: Job) -> None:
        minutes: list[Minute] = []
        exchange_now = 0
        try:
            for path in self._interface.requests(job.symbol, job.start, job.end):
                page = await self._page(job, path)
                if page is None:
                    return
                minutes += page[0]
                # The oldest answer: what it says was not finished then.
                exchange_now = min(exchange_now or page[1], page[1])
        except FrameError as error:
            again = self.jobs.failed(job, self._now())
            self._log.warning("bad_candles", market=job.market, error=error.detail, again=again)
            return
        if not self.jobs.wants(job):
            return
        self.jobs.done(job)
        settled = exchange_now - SETTLE_S * _SECOND
        candles = candles_of(job.market, minutes, job.start, job.end, settled)
        if candles is not None:
            self.outcomes.append(candles)
        until = finished_until(settled / _SECOND)
        if until < job.end:
            wait = (job.end + SETTLE_S) * _SECOND - exchange_now
            rest = msgspec.structs.replace(
                job, start=max(job.start, until), due=self._now() + wait, tries=0
            )
            self.jobs.add(rest)

    async def _page(self, job: Job, path: str) -> tuple[list[Minute], int] | None:
        """Return the minutes of an answer and the exchange's time; None if the job is gone.

        Raises:
            FrameError: the answer is none; it has been counted and told.
        """
        while self.jobs.wants(job):
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
