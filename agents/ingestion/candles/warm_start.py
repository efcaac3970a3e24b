"""Which candles a worker of ingestion fetches, and when: beside the line, which never waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import httpx
import msgspec

from agents.ingestion.candles.binance import BINANCE
from agents.ingestion.candles.client import CandleClient
from agents.ingestion.candles.coinbase import COINBASE
from agents.ingestion.candles.fetcher import SETTLE_S, CandleFetcher
from agents.ingestion.candles.jobs import Job
from agents.ingestion.candles.kraken import KRAKEN
from agents.ingestion.candles.minutes import finished_until
from agents.ingestion.candles.outages import TradesSeen
from agents.ingestion.exchanges.events import Pair
from agents.ingestion.line import ExchangeLine
from agents.ingestion.metrics import IngestionMetrics
from models.records.candles import CANDLE_SECONDS, encode_candles
from models.records.reference import Market
from models.settings import Settings

INTERFACES = {"binance": BINANCE, "coinbase": COINBASE, "kraken": KRAKEN}

_SECOND = 1_000_000_000
_LOOK_EVERY_NS = _SECOND


class _Followed(msgspec.Struct):
    """A followed market; `rank` is its place among those of its source."""

    market: Market
    partition: int
    rank: int
    trades: TradesSeen


class WarmStart:
    """The candles that one worker fetches.

    The window before a market is followed, at once; then the minutes from there to that in which
    its trades were first seen; later those of every outage of more than a minute. What is due only
    when a minute has ended is asked for then.
    """

    def __init__(
        self,
        settings: Settings,
        lines: Iterable[ExchangeLine],
        metrics: IngestionMetrics,
        now: Callable[[], int],
    ) -> None:
        """Fetch nothing yet; `lines` tell what is seen, `now` is the wall clock (ns)."""
        self._lines = {line.exchange: line for line in lines}
        self._partitions = settings.partitions
        self._metrics = metrics
        self._now = now
        self._window_s = finished_until(settings.warm_start_hours * 3_600.0)
        self._followed: dict[str, _Followed] = {}
        self._ranks: Counter[tuple[str, int]] = Counter()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._look_due = 0
        self._fetchers: dict[str, CandleFetcher] = {}
        # Here, not at the first request: what it loads would hold the line up.
        self._client = httpx.AsyncClient()
        for exchange, line in self._lines.items():
            url = rest_url(settings, exchange)
            if url is not None and self._window_s > 0:
                client = CandleClient(
                    exchange, INTERFACES[exchange], url, self._client, metrics, line.dead.add, now
                )
                self._fetchers[exchange] = CandleFetcher(exchange, client, now)

    def follow(self, partition: int, markets: Iterable[Market]) -> None:
        """Fetch what lies before now of those markets that are not followed yet."""
        now = self._now()
        for market in markets:
            fetcher = self._fetchers.get(market.exchange)
            if fetcher is None or market.market in self._followed:
                continue
            place = (market.exchange, partition)
            self._ranks[place] += 1
            followed = _Followed(market, partition, self._ranks[place], TradesSeen(now))
            self._followed[market.market] = followed
            end = finished_until(now / _SECOND)
            self._add(followed, end - self._window_s, end, now)
            if market.exchange not in self._tasks:
                name = f"candles-{market.exchange}"
                self._tasks[market.exchange] = asyncio.create_task(fetcher.run(), name=name)

    def leave(self, names: Iterable[str]) -> None:
        """Fetch nothing more of these markets."""
        gone = set(names)
        for name in gone:
            self._followed.pop(name, None)
        for fetcher in self._fetchers.values():
            fetcher.jobs.forget(lambda job: job.market in gone)
            fetcher.outcomes = [o for o in fetcher.outcomes if o.market not in gone]

    def drop(self, partitions: Iterable[int]) -> None:
        """Fetch nothing more of the markets of these partitions."""
        gone = set(partitions)
        self.leave([name for name, each in self._followed.items() if each.partition in gone])
        for place in [place for place in self._ranks if place[1] in gone]:
            del self._ranks[place]

    def drain(self) -> list[tuple[int, bytes, bytes]]:
        """Hand out partition, key and value of every copy of at most one record.

        One, because they are large and ticks go first. What ended a task, which only a bug can,
        is raised.
        """
        for task in self._tasks.values():
            if task.done():
                task.result()
        self._look()
        for fetcher in self._fetchers.values():
            if fetcher.outcomes:
                candles = fetcher.outcomes.pop(0)
                self._metrics.candles_written(candles.market, len(candles.start))
                key, value = candles.market.encode(), encode_candles(candles)
                return [(partition, key, value) for partition in range(self._partitions)]
        return []

    async def close(self) -> None:
        """Fetch nothing more at all."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        await self._client.aclose()

    def _look(self) -> None:
        """Once a second: see which markets' trades are seen again, and which no more."""
        now = self._now()
        if now < self._look_due:
            return
        self._look_due = now + _LOOK_EVERY_NS
        for name, followed in self._followed.items():
            line = self._lines[followed.market.exchange]
            pair: Pair = ("trades", name)
            source = line.source(followed.partition)
            since = source.unseen_since(pair) if source else None
            hole = followed.trades.look(now, line.sees(pair), since)
            if hole is not None:
                self._fetch_hole(followed, *hole)

    def _fetch_hole(self, followed: _Followed, start: int, end: int) -> None:
        """Fetch the minutes of [start, end), once the last of them is finished."""
        first = finished_until(start / _SECOND)
        until = finished_until(end / _SECOND) + CANDLE_SECONDS
        due = (until + SETTLE_S) * _SECOND
        self._add(followed, max(first, until - self._window_s), until, due)

    def _add(self, followed: _Followed, start: int, end: int, due: int) -> None:
        market = followed.market
        job = Job(market.market, market.symbol, followed.partition, followed.rank, start, end, due)
        self._fetchers[market.exchange].jobs.add(job)


def rest_url(settings: Settings, exchange: str) -> str | None:
    """Return where an exchange's REST interface is; None where nothing may be fetched.

    Without a source that is everywhere, and with `simulated` where no simulator has put its own
    address in the place of the exchange's.
    """
    name = f"{exchange}_rest_url"
    url: str = getattr(settings, name)
    is_real = url == Settings.model_fields[name].get_default()
    if settings.source == "none" or (is_real and settings.source != "live"):
        return None
    return url
