"""Fetches the candles of one exchange that are due, one job after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from agents.ingestion.candles.client import CandleClient
from agents.ingestion.candles.jobs import Job, Jobs
from agents.ingestion.candles.minutes import candles_of, finished_until
from models.errors import FrameError
from models.records.candles import Candles

SETTLE_S = 2
"""How long after its end a minute counts as finished: an exchange may still be writing it."""

_SECOND = 1_000_000_000
_LOOK_S = 0.2


class CandleFetcher:
    """Does the jobs of one exchange until it is cancelled.

    `outcomes` gets what was fetched; `now` is the wall clock in nanoseconds.
    """

    def __init__(self, exchange: str, client: CandleClient, now: Callable[[], int]) -> None:
        """Ask for nothing yet."""
        self.jobs = Jobs()
        self.outcomes: list[Candles] = []
        self._now = now
        self._client = client
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
        try:
            found = await self._client.minutes(
                job.symbol, job.start, job.end, lambda: self.jobs.wants(job)
            )
        except FrameError as error:
            again = self.jobs.failed(job, self._now())
            self._log.warning("bad_candles", market=job.market, error=error.detail, again=again)
            return
        if found is None or not self.jobs.wants(job):
            return
        minutes, exchange_now = found
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
