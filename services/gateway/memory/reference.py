"""Coins, markets and feeds: the newest record of every key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from models.records.reference import Coin, Feed, Market
from services.gateway.delay import LineDelay
from services.gateway.items import Figures, Item
from services.gateway.records import ReferenceRecord
from services.gateway.times import nanoseconds_of

Kind = TypeVar("Kind", Coin, Market)


class Reference(Generic[Kind]):
    """The newest record of every key of a compacted topic."""

    def __init__(self, kind: type[Kind]) -> None:
        self._kind: type[Kind] = kind
        self._records: dict[str, Kind] = {}

    def take(self, record: ReferenceRecord) -> None:
        """Put a record in the place of the one before, or take it away."""
        if isinstance(record.record, self._kind):
            self._records[record.key] = record.record
        else:
            self._records.pop(record.key, None)

    def keys(self) -> Iterator[str]:
        """Yield every key."""
        yield from self._records

    def get(self, key: str) -> Kind | None:
        """Return the record of a key."""
        return self._records.get(key)


class _Newest(msgspec.Struct, frozen=True):
    feed: Feed
    seq: int
    prev_seq: int | None
    ts_publish: int
    as_of: int


class Feeds:
    """The newest state of every feed; `seq` is its offset.

    A record is written when something changes, so it is late only if its source's clock is late
    too: `clock_of` gives that of a market, in nanoseconds.
    """

    def __init__(self, delay: LineDelay, clock_of: Callable[[str], int | None]) -> None:
        self._delay = delay
        self._clock_of = clock_of
        self._newest: dict[str, _Newest] = {}

    def take(self, record: ReferenceRecord) -> list[Item]:
        """Take a record; return it as an item."""
        feed = record.record
        if not isinstance(feed, Feed):
            self._newest.pop(record.key, None)
            return []
        before = self._newest.get(record.key)
        prev_seq = None if before is None else before.seq
        newest = _Newest(
            feed, record.place.offset, prev_seq, record.place.timestamp, nanoseconds_of(feed.as_of)
        )
        self._newest[record.key] = newest
        return [self._item(record.key, newest)]

    def markets(self) -> Iterator[str]:
        """Yield the markets that have a feed."""
        yield from self._newest

    def newest(self, market: str) -> Item | None:
        """Return the newest state of a feed, None if there is none."""
        newest = self._newest.get(market)
        return None if newest is None else self._item(market, newest)

    def figures(self, market: str) -> Figures | None:
        """Return the state of a feed as it stands now, None if there is none."""
        newest = self._newest.get(market)
        return None if newest is None else self._figures(newest)

    def _item(self, market: str, newest: _Newest) -> Item:
        return Item(
            market,
            newest.seq,
            newest.prev_seq,
            newest.as_of,
            newest.ts_publish,
            lambda: self._figures(newest),
        )

    def _figures(self, newest: _Newest) -> Figures:
        feed = newest.feed
        reasons = {
            name: "warming"
            for name in ("last_frame", "last_price", "clock_skew_ms")
            if getattr(feed, name) is None
        }
        figures = msgspec.structs.asdict(feed)
        del figures["version"]
        figures["stale"] = feed.status in ("stale", "gap", "down")
        figures["reasons"] = reasons
        return self._delay.marked(figures, max(newest.as_of, self._clock_of(feed.market) or 0))
