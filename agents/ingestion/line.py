"""One exchange from frames to bursts: connections, sources, time. No socket, no Kafka, no clock.

A shell calls `open`, `frame`, `rest`, `close` and `advance` with rising receive times, and sends
what `drain` hands out. The rules are `docs/from-frames-to-figures.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from agents.ingestion.dead_frames import DeadFrames
from agents.ingestion.exchanges.events import (
    Connection,
    GapBegins,
    Notice,
    Pair,
    ParsedFrame,
    Quote,
    Trade,
    TradesLost,
)
from agents.ingestion.source_state import KINDS, Found, OutgoingBurst, SourceState
from models.errors import FrameError, InvariantError
from models.markets import coin_of
from models.partition import partition_of


class LineSettings(msgspec.Struct, frozen=True):
    """How time is kept; all in nanoseconds. `found` is by partition, of a former owner.

    With `owns_all` every partition that a frame names is taken, as a replay does; else only those
    given to `own`.
    """

    partitions: int
    lateness: int
    linger: int
    interval: int
    silence_limit: int
    generation: int = 0
    found: Mapping[int, Found] = {}
    owns_all: bool = True


class _Link(msgspec.Struct):
    """An open connection: its parser, newest frame time and receive time, and what it serves."""

    parser: Connection
    received: int
    newest: int | None = None
    stale: bool = False
    pairs: dict[Pair, SourceState] = {}
    sources: dict[int, SourceState] = {}


class ExchangeLine:
    """The state of one exchange's ingestion."""

    def __init__(
        self, exchange: str, connect: Callable[[], Connection], settings: LineSettings
    ) -> None:
        """`connect` returns the parser of a new connection."""
        self.exchange = exchange
        self.counts: Counter[str] = Counter()
        self.notices: list[Notice] = []
        self.dead = DeadFrames(exchange)
        self._connect = connect
        # A parser that is on no connection: it knows the skew when none is open.
        self._timekeeper = connect()
        self._settings = settings
        self._links: dict[str, _Link] = {}
        self._sources: dict[int, SourceState] = {}
        self._newest_of_source: dict[int, int] = {}
        self._outgoing: list[OutgoingBurst] = []
        self._next_look = 0

    def open(self, connection: str, receive_time: int) -> None:
        """A connection is open; an open one of this name is closed first."""
        if connection in self._links:
            self.close(connection, receive_time)
        self._links[connection] = _Link(self._connect(), receive_time)

    def frame(self, connection: str, receive_time: int, frame: str) -> tuple[str, ...]:
        """A frame has come; returns what to answer the exchange."""
        link = self._link(connection, receive_time)
        return self._read(
            link, receive_time, frame, lambda: link.parser.receive(receive_time, frame)
        )

    def alive(self, connection: str, receive_time: int) -> None:
        """A frame has come that is none of this connection's: it only shows that it lives.

        It is not parsed, for what it holds counts as new where it belongs.
        """
        link = self._link(connection, receive_time)
        self._read(
            link,
            receive_time,
            "",
            lambda: ParsedFrame(link.parser.frame_time_without_own(receive_time)),
        )

    def rest(
        self, connection: str, receive_time: int, body: str, url: str | None
    ) -> tuple[str, ...]:
        """The answer to a REST request of this connection has come."""
        link = self._link(connection, receive_time)
        return self._read(
            link, receive_time, body, lambda: link.parser.receive_rest(receive_time, body, url)
        )

    def close(self, connection: str, receive_time: int) -> None:
        """A connection is closed: what it alone served is down."""
        self.advance(receive_time)
        link = self._links.get(connection)
        if link is None:
            return
        self._move_clocks(link.sources, receive_time)
        del self._links[connection]
        for pair, source in link.pairs.items():
            if not self._seen_elsewhere(pair):
                newest = self._frame_time(link, receive_time)
                source.begin_down(pair, newest or receive_time, connection)
        self._move_clocks(link.sources, receive_time)
        self._send_due(receive_time)

    def own(self, partition: int, found: Found | None, generation: int) -> None:
        """Become the owner of a partition."""
        self._sources[partition] = SourceState(self.exchange, partition, found, generation)

    def expect(self, partition: int, markets: Iterable[str]) -> None:
        """Know markets of an owned partition that are to be followed."""
        source = self._sources.get(partition)
        if source is not None:
            pairs: list[Pair] = [(kind, market) for market in markets for kind in KINDS]
            source.expect(pair for pair in pairs if not self._seen_elsewhere(pair))

    def disown(self, partition: int) -> None:
        """Give a partition up; what is not sent of it stays unsent."""
        self._sources.pop(partition, None)
        for link in self._links.values():
            link.sources.pop(partition, None)
            for pair in [p for p, source in link.pairs.items() if source.partition == partition]:
                del link.pairs[pair]

    def source(self, partition: int) -> SourceState | None:
        """Return the state of an owned partition."""
        return self._sources.get(partition)

    def sees(self, pair: Pair) -> bool:
        """Return whether a connection that is heard serves a pair."""
        return self._seen_elsewhere(pair)

    def advance(self, receive_time: int) -> None:
        """Time has passed without a frame: silence limits, lingers and clocks run on."""
        # The order in which they fall silent decides which of them was the last to see a pair.
        for name, link in sorted(self._links.items(), key=lambda item: item[1].received):
            if not link.stale and receive_time - link.received >= self._settings.silence_limit:
                link.stale = True
                for pair, source in link.pairs.items():
                    if not self._seen_elsewhere(pair):
                        start = link.newest or receive_time
                        source.begin_interval(pair, start, "stale", name)
        if receive_time >= self._next_look:
            self._move_clocks(self._sources, receive_time)
            self._send_due(receive_time)

    def finish(self, receive_time: int) -> None:
        """A replay ends: every clock moves to the next whole second, and all is sent."""
        for connection in list(self._links):
            self.close(connection, receive_time)
        self._move_clocks(self._sources, receive_time)
        for partition, source in self._sources.items():
            source.advance(source.finish_clock(self._newest_of_source.get(partition, 0)))
        self._send_due(receive_time)

    def flush(self, receive_time: int) -> None:
        """Send everything that waits for a time limit: this owner ends."""
        self.advance(receive_time)
        for source in self._sources.values():
            self._outgoing.extend(source.due(receive_time, 0, 0))

    def drain(self) -> list[OutgoingBurst]:
        """Hand out, once, the bursts that are to be sent."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _link(self, connection: str, receive_time: int) -> _Link:
        link = self._links.get(connection)
        if link is None:
            self.open(connection, receive_time)
            link = self._links[connection]
        return link

    def _read(
        self, link: _Link, receive_time: int, frame: str, parse: Callable[[], ParsedFrame]
    ) -> tuple[str, ...]:
        self.advance(receive_time)
        if link.stale:
            self._move_clocks(link.sources, receive_time)
        try:
            parsed = parse()
        except FrameError as error:
            self.dead.add(error, receive_time, frame)
            parsed = ParsedFrame(link.parser.frame_time_without_own(receive_time))
        self.counts["frames"] += 1
        frame_time = parsed.frame_time
        for pair in parsed.serves:
            self._serve(link, pair, receive_time, frame_time)
        if link.stale:
            link.stale = False
            for pair, source in link.pairs.items():
                self._heard(source, pair, frame_time)
        for event in parsed.events:
            self._apply(event, link, receive_time, frame_time)
        link.received = receive_time
        before = link.newest
        if before is None or frame_time > before:
            link.newest = frame_time
            for partition in link.sources:
                if frame_time > self._newest_of_source.get(partition, 0):
                    self._newest_of_source[partition] = frame_time
            if before is None or self._second(frame_time) > self._second(before):
                self._next_look = 0
        if receive_time >= self._next_look:
            self._move_clocks(self._sources, receive_time)
            self._send_due(receive_time)
        return parsed.replies

    def _serve(self, link: _Link, pair: Pair, receive_time: int, frame_time: int) -> None:
        partition = partition_of(coin_of(pair[1]), self._settings.partitions)
        source = self._sources.get(partition)
        if source is None and not self._settings.owns_all:
            return
        if source is not None:
            # From now on the least over the connections has this one among them.
            self._move_clocks({partition: source}, receive_time)
        else:
            source = self._sources[partition] = SourceState(
                self.exchange,
                partition,
                self._settings.found.get(partition),
                self._settings.generation,
            )
        link.pairs[pair] = source
        link.sources[partition] = source
        self._move_clocks({partition: source}, receive_time)
        self._newest_of_source[partition] = max(
            self._newest_of_source.get(partition, 0), frame_time, link.newest or 0
        )
        source.first_frame(frame_time)
        self._heard(source, pair, frame_time)
        self._next_look = 0

    def _heard(self, source: SourceState, pair: Pair, frame_time: int) -> None:
        """End what a frame of a connection that serves a pair ends."""
        source.end_stale(pair, frame_time)
        if pair[0] == "trades":
            source.end_down_trades(pair, frame_time)

    def _apply(
        self,
        event: Quote | Trade | GapBegins | TradesLost | Notice,
        link: _Link,
        receive_time: int,
        frame_time: int,
    ) -> None:
        match event:
            case Quote():
                if source := self._source_of(link, ("quotes", event.market), receive_time):
                    source.add("quotes", event, receive_time, source.clock)
            case Trade():
                if source := self._source_of(link, ("trades", event.market), receive_time):
                    source.add("trades", event, receive_time, source.clock)
            case GapBegins():
                if source := self._source_of(link, ("quotes", event.market), receive_time):
                    source.begin_interval(("quotes", event.market), frame_time, "gap")
                    self.counts["gaps"] += 1
            case TradesLost():
                if source := self._source_of(link, ("trades", event.market), receive_time):
                    source.lost_trades(event.market, event.count, source.clock, event.until)
                    self.counts["trades_lost"] += event.count
            case Notice():
                self.notices.append(event)

    def _source_of(self, link: _Link, pair: Pair, receive_time: int) -> SourceState | None:
        """Return the source of a pair with its clock moved on, None where it is not owned."""
        source = link.pairs.get(pair)
        if source is None:
            if self._settings.owns_all:
                raise InvariantError(f"expected a served pair, was {pair}")
            return None
        self._move_clocks({source.partition: source}, receive_time)
        return source

    def _move_clocks(self, sources: Mapping[int, SourceState], receive_time: int) -> None:
        for partition, source in sources.items():
            newest: int | None = None
            serving = False
            for link in self._links.values():
                if partition not in link.sources:
                    continue
                serving = True
                frame_time = self._frame_time(link, receive_time)
                if frame_time is None:
                    newest = None
                    break
                newest = frame_time if newest is None else min(newest, frame_time)
            if not serving and source.clock is not None:
                newest = self._timekeeper.frame_time_without_own(receive_time)
            if newest is not None:
                source.advance(newest - self._settings.lateness)

    def _frame_time(self, link: _Link, receive_time: int) -> int | None:
        if not link.stale:
            return link.newest
        running = link.parser.frame_time_without_own(receive_time)
        return running if link.newest is None else max(link.newest, running)

    def _seen_elsewhere(self, pair: Pair) -> bool:
        return any(pair in link.pairs and not link.stale for link in self._links.values())

    def _send_due(self, receive_time: int) -> None:
        settings = self._settings
        for source in self._sources.values():
            self._outgoing.extend(source.due(receive_time, settings.linger, settings.interval))
        # Besides the bursts that fall due, clocks move on their own where nothing is heard.
        due = [
            source.next_due(settings.linger, settings.interval) for source in self._sources.values()
        ]
        self._next_look = min([receive_time + settings.linger // 4, *due])

    def _second(self, frame_time: int) -> int:
        return (frame_time - self._settings.lateness) // 1_000_000_000
