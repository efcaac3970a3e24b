"""A worker of ingestion: its partitions' markets in, their bursts and feed states out."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from agents.ingestion.candles.warm_start import WarmStart
from agents.ingestion.counters import SourceCounters
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import open_connection
from agents.ingestion.feeds import FeedFacts, FeedView, feed_record, feed_status
from agents.ingestion.line import ExchangeLine
from agents.ingestion.metrics import IngestionMetrics
from agents.ingestion.replay import line_settings
from agents.ingestion.sockets import Endpoint
from agents.ingestion.source_feed import SourceFeed
from agents.ingestion.source_state import Found
from agents.runtime.consumer import RecordBatch
from agents.runtime.steps import Step
from agents.runtime.worker import Log
from models.errors import InvariantError
from models.markets import exchange_of
from models.records.reference import Market, decode_market, encode_reference
from models.settings import Settings
from models.topics import CANDLES, DEAD_LETTERS, FEEDS, INGESTION_CHANGELOG, MARKETS

_LOOK_S = 0.02
_FEEDS_EVERY_NS = 2_000_000_000
_UNACKNOWLEDGED = 2_000
_TICKS = ("quotes", "trades", "late", "crossed")

FindFound = Callable[[str, list[int]], Mapping[int, Found]]
Place = tuple[str, int]
"""An exchange and a partition."""


class _Exchange(msgspec.Struct):
    """One exchange in this worker."""

    line: ExchangeLine
    memory: ExchangeMemory
    endpoint: Endpoint
    instruments: dict[str, tuple[str, str]]


class IngestionWorker:
    """Everything that one process of ingestion does, apart from Faust.

    `find` reads the last bursts of partitions (it blocks); `generation` is the group's;
    `now` is the wall clock in nanoseconds.
    """

    def __init__(
        self,
        settings: Settings,
        log: Log,
        remember: Callable[[int, bytes, Step], None],
        find: FindFound,
        generation: Callable[[], int],
        metrics: IngestionMetrics,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """Own nothing yet."""
        self._settings = settings
        self._kafka = log
        self._remember = remember
        self._find = find
        self._generation = generation
        self._metrics = metrics
        self._now = now
        self._log = structlog.get_logger(agent="ingestion")
        self._exchanges: dict[str, _Exchange] = {
            name: self._exchange(name) for name in settings.exchanges
        }
        lines = [exchange.line for exchange in self._exchanges.values()]
        self._candles = WarmStart(settings, lines, metrics, now)
        self._feeds: dict[Place, SourceFeed] = {}
        self._counters: dict[Place, SourceCounters] = {}
        self._views: dict[str, FeedView] = {}
        self._owned: set[int] = set()
        self._positions: dict[tuple[str, int], int] = {}
        self._deliveries: set[asyncio.Future[object]] = set()
        self._failure: BaseException | None = None
        self._unbroken: set[int] = set()
        self._assignment = 0
        self._taken_part = 0
        self._holds = True
        self._feeds_due = 0

    async def open(
        self, partitions: Iterable[int], mirror: Mapping[int, Mapping[bytes, Step]]
    ) -> None:
        """Keep what is still owned, drop the rest, take over what is new.

        Nothing is kept after a generation of the group without this worker, be it that it stood
        still: others may have written its partitions in a later epoch, so that what it goes on to
        write in its own would be read by nobody.
        """
        self._assignment += 1
        assignment = self._assignment
        wanted = set(partitions)
        generation = self._generation()
        self._unbroken &= wanted if generation == self._taken_part + 1 else set()
        self._taken_part = generation
        kept = set(self._unbroken)
        new = sorted(wanted - kept)
        found = {
            name: await asyncio.to_thread(self._find, name, new) if new else {}
            for name in self._exchanges
        }
        beginnings = await self._kafka.beginnings((MARKETS.name, each) for each in sorted(wanted))
        # Every time from the beginning: what is compacted away is no market any more.
        await self._kafka.commit(beginnings)
        if assignment != self._assignment:
            return
        self._positions = {place: offset - 1 for place, offset in beginnings.items()}
        await self._drop(self._owned - kept)
        for partition in new:
            for name, exchange in self._exchanges.items():
                exchange.line.own(partition, found[name].get(partition), generation)
                self._counters[name, partition] = SourceCounters(
                    name, mirror.get(partition, {}).values()
                )
        self._owned, self._unbroken = wanted, set(wanted)
        self._holds = False
        self._metrics.partitions.set(len(wanted))
        self._log.info("assigned", partitions=sorted(wanted), new=new)

    async def revoked(self) -> None:
        """Send nothing more until it is known what is still owned; sockets stay open."""
        self._holds = True
        await self._acknowledged(4.0)

    async def close(self) -> None:
        """Send what is complete, then close every socket."""
        if not self._holds:
            for exchange in self._exchanges.values():
                exchange.line.flush(self._now())
            await self._send_bursts()
        self._holds = True
        await self._acknowledged(4.0)
        await self._drop(set(self._owned))
        await self._candles.close()
        self._owned = set()

    def take(self, topic: str, batch: RecordBatch) -> None:
        """Take records of `markets`: markets to follow, and (without a value) to leave."""
        place = (topic, batch.partition)
        changed: dict[str, Market | None] = {}
        for record in batch.records:
            if record.offset <= self._positions.get(place, -1) or record.key is None:
                continue
            self._positions[place] = record.offset
            name = record.key.decode("utf-8", "replace")
            try:
                market = None if record.value is None else decode_market(record.value)
            except msgspec.DecodeError as error:
                self._metrics.bad_market()
                self._log.warning("bad_market", market=name, error=str(error))
                continue
            changed[name] = market if market is None or market.status == "online" else None
        if batch.partition in self._owned:
            self._apply(batch.partition, changed)

    async def room(self) -> None:
        """There is always room: markets are few."""

    async def commit(self) -> None:
        """Commit nothing: Faust would seek there after the next assignment.

        Every assignment reads `markets` from its beginning.
        """

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Send bursts, counters and feed states as time passes."""
        while not should_stop():
            await asyncio.sleep(_LOOK_S)
            if self._failure is not None:
                raise self._failure
            for feed in list(self._feeds.values()):
                if (failure := feed.failure()) is not None:
                    raise failure
            if not self._holds and len(self._deliveries) < _UNACKNOWLEDGED:
                await self._send_bursts()
                await self._send_counters()
                await self._send_feeds()
                for partition, key, value in self._candles.drain():
                    await self._send(CANDLES.name, partition, key, value)

    async def _send_bursts(self) -> None:
        now = self._now()
        for exchange in self._exchanges.values():
            line = exchange.line
            line.advance(now)
            for burst in line.drain():
                if burst.partition in self._owned:
                    await self._send(burst.topic, burst.partition, burst.key, burst.value)
            for letter in line.dead.drain():
                await self._send(DEAD_LETTERS.name, 0, None, letter)
            self._metrics.observe(line)
            line.notices.clear()

    async def _send_counters(self) -> None:
        # Awaiting below lets assignments and markets change these in between.
        for (name, partition), counters in list(self._counters.items()):
            source = self._exchanges[name].line.source(partition)
            if source is None or not source.counts:
                continue
            closed = counters.close_second(source)
            if closed is not None:
                key, value, step = closed
                await self._send(INGESTION_CHANGELOG.name, partition, key, value)
                self._remember(partition, key, step)

    async def _send_feeds(self) -> None:
        now = self._now()
        all_due = now >= self._feeds_due
        if all_due:
            self._feeds_due = now + _FEEDS_EVERY_NS
            self._observe(now)
        for (name, partition), feed in list(self._feeds.items()):
            line, memory = self._exchanges[name].line, self._exchanges[name].memory
            source, counters = line.source(partition), self._counters.get((name, partition))
            if source is None or counters is None:
                continue
            for market in list(feed.markets.values()):
                status = feed_status(source, market.market, now)
                view = self._views.get(market.market)
                if view is None or view.status != status:
                    view = self._views[market.market] = FeedView(status, now)
                elif not all_due:
                    continue
                counts = source.counts.get(market.market)
                facts = FeedFacts(
                    status,
                    view.since,
                    now,
                    feed.reconnects,
                    memory.skew.told_at(now),
                    source.epoch,
                    counters.total_of(market.market, counts),
                )
                await self._send(
                    FEEDS.name,
                    partition,
                    market.market.encode(),
                    encode_reference(feed_record(market, counts, facts)),
                )

    def _observe(self, now: int) -> None:
        for name, exchange in self._exchanges.items():
            views = self._views.items()
            self._metrics.feeds(
                name, Counter(view.status for each, view in views if exchange_of(each) == name)
            )
            sources = [(each, exchange.line.source(each)) for each in sorted(self._owned)]
            owned = [(partition, source) for partition, source in sources if source is not None]
            clocks = (source.clock for _, source in owned if source.clock is not None)
            self._metrics.clock(name, clocks, now)
            for partition, source in owned:
                counts = source.counts.values()
                totals = {what: sum(getattr(each, what) for each in counts) for what in _TICKS}
                feed = self._feeds.get((name, partition))
                totals["reconnects"] = 0 if feed is None else feed.reconnects
                self._metrics.source(name, partition, totals)

    async def _send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        delivery = asyncio.ensure_future(await self._kafka.send(topic, partition, key, value))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._delivered)

    def _delivered(self, delivery: asyncio.Future[object]) -> None:
        self._deliveries.discard(delivery)
        if not delivery.cancelled() and delivery.exception() is not None:
            self._failure = delivery.exception()

    async def _acknowledged(self, limit_s: float) -> None:
        if self._deliveries:
            await asyncio.wait(set(self._deliveries), timeout=limit_s)

    def _apply(self, partition: int, changed: Mapping[str, Market | None]) -> None:
        followed: dict[str, list[Market]] = {}
        for name, market in changed.items():
            exchange = self._exchanges.get(name.partition(":")[0])
            if exchange is None:
                continue
            place = (exchange.line.exchange, partition)
            if market is None:
                if place in self._feeds:
                    self._feeds[place].leave([name])
                self._views.pop(name, None)
                self._candles.leave([name])
                continue
            exchange.instruments[market.symbol] = (market.coin, market.quote_currency)
            followed.setdefault(exchange.line.exchange, []).append(market)
        for name, markets in followed.items():
            place = (name, partition)
            if place not in self._feeds:
                exchange = self._exchanges[name]
                self._feeds[place] = SourceFeed(
                    partition, exchange.endpoint, exchange.line, self._now
                )
            feed = self._feeds[place]
            new = [each.market for each in markets if each.market not in feed.markets]
            self._exchanges[name].line.expect(partition, new)
            feed.follow(markets)
            self._candles.follow(partition, markets)

    async def _drop(self, partitions: set[int]) -> None:
        self._candles.drop(partitions)
        for place in [place for place in self._feeds if place[1] in partitions]:
            feed = self._feeds.pop(place)
            for market in feed.markets:
                self._views.pop(market, None)
            self._exchanges[place[0]].line.disown(place[1])
            await feed.close()
        for name, partition in [p for p in self._counters if p[1] in partitions]:
            self._exchanges[name].line.disown(partition)
            del self._counters[name, partition]

    def _exchange(self, name: str) -> _Exchange:
        memory = ExchangeMemory()
        instruments: dict[str, tuple[str, str]] = {}
        settings = msgspec.structs.replace(line_settings(self._settings, name, {}), owns_all=False)
        line = ExchangeLine(name, lambda: open_connection(name, memory, instruments), settings)
        url = getattr(self._settings, f"{name}_websocket_url", None)
        if url is None:
            raise InvariantError(f"expected a websocket address of {name}, was none")
        return _Exchange(
            line, memory, Endpoint(name, url, settings.silence_limit / 1e9), instruments
        )
