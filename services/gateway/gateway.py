"""The gateway's heart: what is known, who wants it, and whether it is ready."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from models.settings import Settings
from services.gateway.delay import LineDelay
from services.gateway.history.places import GatewayHistory
from services.gateway.history.reads import HistoryReads
from services.gateway.hub.audience import Schedule
from services.gateway.hub.hub import Hub
from services.gateway.hub.messages import Reconnect
from services.gateway.items import Item
from services.gateway.kafka.reader import Taken
from services.gateway.keys import ApiKeys
from services.gateway.latencies import Latencies
from services.gateway.limits.buckets import Buckets, Connections
from services.gateway.memory.memory import Memory
from services.gateway.memory.quotes import Sight
from services.gateway.orders.past import FindPast, nothing_past
from services.gateway.rendering import Rendering, raised

BEAT_S = 1.0


class Gateway:
    """Memory and hub together. Only the event loop's thread uses it.

    `waiting_for` are the topics that have not been read to their end yet; while there are any,
    nothing is published and nothing is answered.
    """

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], int],
        schedule: Schedule,
        topics: Iterable[str],
        find_past: FindPast = nothing_past,
        history: GatewayHistory | None = None,
        failed: Callable[[BaseException], None] = raised,
    ) -> None:
        """`now` reads the clock in nanoseconds, `schedule` plans a call, `topics` are read.

        `find_past` gives the last hour of a market's source; it may block. Without `history` what
        is in memory is all. `failed` is told of a broken invariant that nobody else would see.
        """
        self.settings = settings
        self.now = now
        self.find_past = find_past
        self.history = history
        self.reads = HistoryReads(settings.gateway_history_reads)
        self.failed = failed
        self.rendering = Rendering(failed)
        delay = LineDelay(settings.source != "none", now)
        self.memory = Memory(delay, settings.exchanges, settings.correlation_tables)
        self.hub = Hub(schedule, self.rendering.beside)
        self.keys = ApiKeys(key.get_secret_value() for key in settings.api_keys)
        self.buckets = Buckets(settings.rate_limit_per_minute, settings.rate_limit_burst, now)
        self.connections = Connections(settings.websocket_limit)
        self.waiting_for = set(topics)
        self.is_stopping = False
        self.records: Counter[str] = Counter()
        self.undecodable: Counter[str] = Counter()
        self.latencies = Latencies()
        self._delayed: set[str] = set()
        self._told: dict[str, str] = {}

    @property
    def is_ready(self) -> bool:
        """Whether everything has been read once, and no stop is planned."""
        return not self.waiting_for and not self.is_stopping

    def take(self, taken: Taken) -> None:
        """Take what was read together, and publish it; a key's every value in its order."""
        self.undecodable.update(taken.undecodable)
        pending: dict[str, dict[str, list[Item]]] = {}
        sights: list[Sight] = []
        for record in taken.records:
            self.records[record.place.topic] += 1
            change = self.memory.take(record, tells=not self.waiting_for)
            if change is None or self.waiting_for:
                continue
            sights += change.sights
            together = pending.setdefault(change.channel, {})
            if any(item.key in together for item in change.items):
                self._publish(change.channel, together)
                together = pending[change.channel] = {}
            for item in change.items:
                together.setdefault(item.key, []).append(item)
        for channel, together in pending.items():
            self._publish(channel, together)
        if not self.waiting_for:
            self._note_ages(taken)
        for sight in sights:
            self._tell_status(sight.market, sight.reason, sight.as_of)
        self.waiting_for.difference_update(taken.finished)

    def beat(self) -> None:
        """Send heartbeats, and tell whose line has become late or is in time again."""
        if self.waiting_for:
            return
        if self.memory.delay.is_live:
            self._tell_delays()
        self.hub.beat(self.now())

    def begin_stop(self, within_seconds: int) -> None:
        """Take no one new, and ask everyone to connect elsewhere."""
        self.is_stopping = True
        self.hub.tell_all(Reconnect(within_seconds))

    def _note_ages(self, taken: Taken) -> None:
        # The oldest of each topic: the others waited for it.
        oldest = {record.place.topic: record.place.timestamp for record in reversed(taken.records)}
        for topic, timestamp in oldest.items():
            self.latencies.took(topic, self.now() / 1e9 - timestamp / 1e3)

    def _publish(self, channel: str, together: dict[str, list[Item]]) -> None:
        self.hub.publish(channel, [item for items in together.values() for item in items])

    def _tell_delays(self) -> None:
        memory = self.memory
        for market in memory.markets():
            progress = memory.progress(market)
            if progress is None:
                continue
            is_delayed = memory.delay.is_delayed(progress)
            if is_delayed == (market in self._delayed):
                continue
            if is_delayed:
                self._delayed.add(market)
            else:
                self._delayed.discard(market)
            self._tell_status(market, memory.quotes.reason(market), progress)

    def _tell_status(self, market: str, unseen: str | None, as_of: int) -> None:
        """Tell how a market stands now, if that is not what was told last.

        While its line is late nothing else counts: a market that comes back is not live then.
        """
        reason = "line_delayed" if market in self._delayed else unseen
        status = reason or "live"
        if self._told.get(market) != status:
            self._told[market] = status
            self.hub.tell_status(market, status, reason, as_of)


async def keep_beating(gateway: Gateway) -> None:
    """Beat once a second until cancelled."""
    while True:
        await asyncio.sleep(BEAT_S)
        gateway.beat()
