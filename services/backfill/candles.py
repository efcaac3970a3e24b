"""Fetches candles of the past, day by day, and keeps them as bars."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import httpx
import msgspec
import numpy as np

from agents.bars.candles import told_bars
from agents.ingestion.candles.client import CandleClient
from agents.ingestion.candles.fetcher import SETTLE_S
from agents.ingestion.candles.minutes import (
    CandleInterface,
    Minute,
    candles_of,
    finished_until,
)
from agents.ingestion.instruments.markets import INSTRUMENTS
from models.archive.backfill import DAY_MINUTES, DAY_SECONDS, BackfilledDay
from models.errors import FrameError, TransportError
from models.records.candles import CANDLE_SECONDS
from models.records.reference import Market
from models.statistics.bars import absent_bars
from models.times import iso_seconds
from services.backfill.store import BackfillStore

_SECOND = 1_000_000_000
_LIMIT_S = 30.0


class Plan(msgspec.Struct, frozen=True):
    """What is fetched of a market: the minutes that begin in [start, end) (seconds).

    `asked` is from when on it was asked for; what lies between the exchange does not tell.
    """

    market: Market
    asked: int
    start: int
    end: int

    @property
    def days(self) -> list[tuple[int, int]]:
        """Return the range cut at midnight, oldest first."""
        days = range(self.start // DAY_SECONDS, -(-self.end // DAY_SECONDS))
        cut = [
            (max(self.start, day * DAY_SECONDS), min(self.end, (day + 1) * DAY_SECONDS))
            for day in days
        ]
        return [(begin, until) for begin, until in cut if begin < until]

    @property
    def out_of_reach(self) -> str | None:
        """Return what cannot be fetched, None where everything can."""
        if self.asked == self.start:
            return None
        until = iso_seconds(min(self.start, self.end))
        return f"{self.market.market}: {iso_seconds(self.asked)} to {until} cannot be fetched"


class Fetched(msgspec.Struct):
    """What came of a plan: days with bars, minutes, and the first and last minute (seconds)."""

    plan: Plan
    days: int = 0
    minutes: int = 0
    first: int | None = None
    last: int | None = None
    problem: str | None = None


def planned(
    interface: CandleInterface, markets: Sequence[Market], start: int, end: int, now: float
) -> list[Plan]:
    """Return what is fetched of [start, end); times in seconds, `now` the wall clock.

    Before its reach an interface is not asked.
    """
    first, until = finished_until(start + CANDLE_SECONDS - 1), finished_until(min(end, now))
    reached = first
    if interface.reach is not None:
        reached = max(first, finished_until(now) - interface.reach * CANDLE_SECONDS)
    return [Plan(market, first, reached, max(first, until)) for market in markets]


async def listed_markets(
    client: httpx.AsyncClient, exchange: str, url: str, pairs: Sequence[str]
) -> list[Market]:
    """Return an exchange's markets of these pairs (`BTC-USD`), in their order.

    Raises:
        TransportError: the exchange does not answer, or lists no such pair.
    """
    instruments = INSTRUMENTS[exchange]
    try:
        answer = await client.get(url.rstrip("/") + instruments.path, timeout=_LIMIT_S)
        answer.raise_for_status()
        listed = {market.market: market for market in instruments.read(answer.content)}
    except (httpx.HTTPError, FrameError) as error:
        raise TransportError(f"expected the markets of {exchange}, but {error!r}") from error
    names = [f"{exchange}:{pair}" for pair in pairs]
    unknown = [name for name in names if name not in listed]
    if unknown:
        raise TransportError(f"expected markets that {exchange} lists, was {', '.join(unknown)}")
    return [listed[name] for name in names]


async def fetch(
    client: CandleClient,
    store: BackfillStore,
    plan: Plan,
    limit_s: float,
    tell: Callable[[str], None],
) -> Fetched:
    """Fetch and keep what is planned of a market; `tell` hears of every day.

    What cannot be had within `limit_s` a day is the problem of what is returned.

    Raises:
        OSError: the store cannot be read or written; what was written stands.
    """
    fetched = Fetched(plan)
    # Whether the minutes after a day's last candle had no trade is known when a later one comes.
    waiting: list[int] = []
    minutes: list[Minute] = []
    market = plan.market
    for begin, until in plan.days:
        try:
            async with asyncio.timeout(limit_s):
                found = await client.minutes(market.symbol, begin, until, lambda: True)
        except (FrameError, TimeoutError) as error:
            why = error if isinstance(error, FrameError) else f"no answer within {limit_s:g} s"
            fetched.problem = f"{market.market}: {iso_seconds(begin)} and after: {why}"
            break
        assert found is not None
        told = _finished(found[0], begin, until, found[1])
        if told and minutes:
            _keep(store, fetched, waiting, [*minutes, told[0]])
        if told:
            waiting, minutes = [], [*minutes[-1:], *told]
        waiting.append(begin // DAY_SECONDS)
        tell(f"{market.market} {iso_seconds(begin)[:10]}: {len(told)} candles")
    if minutes:
        _keep(store, fetched, waiting, minutes)
    if not plan.days and plan.out_of_reach is None:
        fetched.problem = f"{market.market}: no whole minute of what was asked for is over"
    elif plan.days and fetched.first is None and fetched.problem is None:
        fetched.problem = f"{market.market}: the exchange tells no candle of what was asked for"
    return fetched


def _finished(minutes: list[Minute], begin: int, until: int, exchange_now: int) -> list[Minute]:
    """Return the minutes of a range that are finished, in order, each once."""
    settled = finished_until(exchange_now / _SECOND - SETTLE_S)
    rows = {each.start: each for each in minutes if begin <= each.start < min(until, settled)}
    return [rows[start] for start in sorted(rows)]


def _keep(store: BackfillStore, fetched: Fetched, days: Sequence[int], told: list[Minute]) -> None:
    """Keep the minutes of these days, those left out between two others without a trade."""
    name = fetched.plan.market.market
    record = candles_of(name, told, told[0].start, told[-1].start + CANDLE_SECONDS, 2**62)
    assert record is not None
    numbers, bars = told_bars(record, 0, told[-1].start // CANDLE_SECONDS + 1)
    for day in days:
        within = np.flatnonzero(numbers // DAY_MINUTES == day)
        minutes = absent_bars(DAY_MINUTES)
        for column, values in bars.items():
            minutes[column][numbers[within] - day * DAY_MINUTES] = values[within]
        put = store.put(BackfilledDay("rest", name, day), minutes)
        fetched.minutes += put
        fetched.days += put > 0
    fetched.first = told[0].start if fetched.first is None else fetched.first
    fetched.last = told[-1].start
