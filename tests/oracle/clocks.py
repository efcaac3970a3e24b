"""Skew, clocks and unseen intervals: section 2 and 4 of docs/from-frames-to-figures.md.

`Timeline` is walked forward through receive time. Between two frames it stops at every moment at
which something changes by itself: a silence limit, and the last nanosecond before a frame leaves
the 300 s of the skew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.oracle.wire import MILLISECOND, SECOND

LATENESS = 200 * MILLISECOND
SKEW_WINDOW = 300 * SECOND
SILENCE = {"coinbase": 5 * SECOND, "kraken": 5 * SECOND, "binance": 25 * SECOND}
OPEN_END = 2**63 - 1

Pair = tuple[str, str]  # kind (quotes, trades) and market
Source = tuple[str, int]  # exchange and partition


class Skew:
    """The least (receive − T) of one exchange over the last 300 s, at any time."""

    def __init__(self, receives: list[int], times: list[int]) -> None:
        self.receives: NDArray[np.int64] = np.array(receives, dtype=np.int64)
        self.lags = self.receives - np.array(times, dtype=np.int64)
        self.seen = 0

    def at(self, t: int) -> int:
        """Return the skew at `t`, of the frames seen so far."""
        if self.seen == 0:
            return 0
        receives = self.receives[: self.seen]
        first = int(np.searchsorted(receives, t - SKEW_WINDOW, side="right"))
        return int(self.lags[min(first, self.seen - 1) : self.seen].min())

    def furthest(self, start: int, end: int) -> int:
        """Return the most that (t − skew) comes to for t in `[start, end]`."""
        leaving = self.receives[: self.seen] + SKEW_WINDOW - 1
        stops = leaving[(leaving >= start) & (leaving < end)]
        moments = [start, *(int(stop) for stop in stops), end]
        return max(t - self.at(t) for t in moments)


@dataclass
class Interval:
    """Time in which a pair could not be seen. `owner` is the connection whose silence it is."""

    kind: str
    market: str
    start: int
    reason: str
    owner: object
    end: int = OPEN_END


@dataclass
class Connection:
    """What a connection serves, its newest frame time, and when its last frame came."""

    exchange: str
    pairs: set[Pair] = field(default_factory=set)
    sources: set[Source] = field(default_factory=set)
    newest: int | None = None
    counted: int | None = None  # what the newest frame time counts as while it is silent
    last_receive: int | None = None
    silent: bool = False

    @property
    def reach(self) -> int:
        """Return what its N counts as now."""
        value = self.counted if self.silent else self.newest
        assert value is not None, "expected a connection with a frame"
        return value


class Timeline:
    """The clocks of all sources and the unseen intervals of all pairs."""

    def __init__(self, skews: dict[str, Skew]) -> None:
        self.skews = skews
        self.open: dict[object, Connection] = {}
        self.clocks: dict[Source, int | None] = {}
        self.highest: dict[Source, int] = {}  # of clock, ticks and N: what the end stands above
        self.intervals: list[Interval] = []
        self.running: dict[Pair, Interval] = {}
        self.history: list[tuple[int, Source, int]] = []
        self.now: dict[str, int] = {}

    def advance(self, t: int) -> None:
        """Let receive time pass until `t`, with all that happens on the way."""
        while True:
            due = [
                (connection.last_receive + SILENCE[connection.exchange], key)
                for key, connection in self.open.items()
                if connection.last_receive is not None and not connection.silent
            ]
            moment, key = min(due, default=(t + 1, None), key=lambda pair: pair[0])
            if moment > t:
                break
            self._move(self.open[key].exchange, moment)
            self._fall_silent(key, moment)
        for exchange in self.skews:
            self._move(exchange, t)

    def _fall_silent(self, key: object, t: int) -> None:
        connection = self.open[key]
        for pair in sorted(connection.pairs):
            if not self._seen_elsewhere(pair, key):
                self.begin(pair, connection.reach, "stale", self.source_clock(pair), owner=key)
        connection.counted, connection.silent = connection.newest, True
        self._move(connection.exchange, t)

    def _seen_elsewhere(self, pair: Pair, key: object) -> bool:
        """Return whether a connection other than `key` that is not silent serves `pair`."""
        return any(
            pair in connection.pairs and not connection.silent
            for other, connection in self.open.items()
            if other != key
        )

    def _move(self, exchange: str, t: int) -> None:
        """Move every clock of `exchange` to where it stands at `t`."""
        mine = [c for c in self.open.values() if c.exchange == exchange]
        start = min(self.now.get(exchange, t), t)
        self.now[exchange] = t
        served = {source for connection in mine for source in connection.sources}
        sources = [source for source in self.clocks if source[0] == exchange]
        live = t  # the frame time of a frame without one of its own
        if exchange != "binance" and (
            any(c.silent for c in mine) or any(source not in served for source in sources)
        ):
            live = self.skews[exchange].furthest(start, t)
        for connection in mine:
            if connection.silent:
                connection.counted = max(connection.reach, live)
        for source in sources:
            reaches = [c.reach for c in mine if source in c.sources]
            self._raise_clock(source, min(reaches, default=live) - LATENESS, t)

    def _raise_clock(self, source: Source, value: int, t: int) -> None:
        old = self.clocks[source]
        if old is None or value > old:
            self.clocks[source] = value
            self.history.append((t, source, value))

    def source_clock(self, pair: Pair) -> int | None:
        """Return the clock of the source of `pair`."""
        return self.clocks[self.source_of(pair[1])]

    def source_of(self, market: str) -> Source:
        """Return the exchange and partition of `market`."""
        raise NotImplementedError

    def begin(
        self, pair: Pair, start: int, reason: str, clock: int | None, owner: object = None
    ) -> None:
        """Begin an unseen interval, not before `clock`; one that runs already stays."""
        if pair in self.running:
            return
        start = start if clock is None else max(start, clock)
        interval = Interval(*pair, start, reason, owner)
        self.running[pair] = interval
        self.intervals.append(interval)

    def finish(self, pair: Pair, end: int) -> None:
        """End the interval that runs for `pair`, if one does."""
        interval = self.running.pop(pair, None)
        if interval is not None:
            interval.end = end

    def frame_came(self, key: object, t: int, frame_time: int) -> None:
        """Count the frame at hand: end the silence, raise N, move the clocks."""
        connection = self.open[key]
        newest = connection.newest
        connection.newest = frame_time if newest is None else max(newest, frame_time)
        connection.last_receive = t
        connection.silent = False
        self._move(connection.exchange, t)

    def end_silence(self, key: object, frame_time: int) -> None:
        """End what is stale of the pairs that this connection serves, at the time of its frame.

        What the clock has passed stays unseen: it may have been read already.
        """
        stale = [pair for pair, interval in self.running.items() if interval.reason == "stale"]
        for pair in stale:
            if pair in self.open[key].pairs:
                clock = self.source_clock(pair)
                self.finish(pair, frame_time if clock is None else max(frame_time, clock))

    def close(self, key: object, t: int) -> None:
        """Close a connection: what it serves is down from its N on."""
        connection = self.open[key]
        for pair in sorted(connection.pairs):
            clock = self.source_clock(pair)
            start = connection.reach if clock is None else max(connection.reach, clock)
            interval = self.running.get(pair)
            if interval is not None and interval.reason == "stale" and interval.owner == key:
                self.finish(pair, start)
            if not self._seen_elsewhere(pair, key):
                self.begin(pair, start, "down", clock)
        for source in connection.sources:
            self.note(source, connection.reach)
        del self.open[key]
        self._move(connection.exchange, t)

    def note(self, source: Source, time: int) -> None:
        """Note a time above which the clock of `source` has to end."""
        self.highest[source] = max(time, self.highest.get(source, time))

    def final_clocks(self) -> dict[Source, int]:
        """Return the whole second that each source's clock is moved to at the replay's end."""
        final = {}
        for source, clock in self.clocks.items():
            highest = self.highest[source] if clock is None else max(clock, self.highest[source])
            final[source] = (highest // SECOND + 1) * SECOND
        return final
