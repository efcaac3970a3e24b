"""One source on its way into Kafka: its clock, its unseen intervals, its bursts.

The rules are section 4 of `docs/from-frames-to-figures.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from agents.ingestion.burst_buffer import BurstBuffer
from agents.ingestion.exchanges.events import Kind, Pair, Quote, TickFlag, Trade
from models.records.bursts import EVERY_MARKET, Unseen, UnseenReason

SECOND = 1_000_000_000
KINDS: tuple[Kind, Kind] = ("quotes", "trades")


class Found(msgspec.Struct, frozen=True):
    """What a new owner found in the last bursts of a partition: highest epoch, clock by kind."""

    epoch: int
    clocks: Mapping[Kind, int]

    @property
    def clock(self) -> int:
        """Return the newest of the clocks."""
        return max(self.clocks.values())


class OutgoingBurst(msgspec.Struct, frozen=True):
    """A burst to send: its topic without namespace, its partition, key and value."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class MarketCounts(msgspec.Struct):
    """What came of one market: ticks by kind and flag, gaps, and the newest of them.

    `last_received` is in nanoseconds; `last_price` is a trade's, else a quote's middle.
    """

    quotes: int = 0
    trades: int = 0
    late: int = 0
    crossed: int = 0
    gaps: int = 0
    trades_lost: int = 0
    last_received: int = 0
    last_price: float | None = None
    traded: bool = False


class _Open(msgspec.Struct):
    """An unseen interval that has not ended; it began at `since`, written down as far as `start`.

    `connection` is the one whose silence a stale interval is.
    """

    start: int
    reason: UnseenReason
    connection: str | None
    since: int


class SourceState:
    """The clock, the open intervals and the unsent bursts of one exchange × one partition."""

    def __init__(self, exchange: str, partition: int, found: Found | None, generation: int) -> None:
        """Become the owner: the epoch is above any found, the clock goes on from the one found."""
        self.exchange = exchange
        self.partition = partition
        self.epoch = max(generation, (found.epoch if found else 0) + 1)
        self.clock: int | None = found.clock if found else None
        self.counts: dict[str, MarketCounts] = {}
        self._handover = found
        self._is_taken_over = found is not None
        self._expected: set[Pair] = set()
        self._handed_over = dict.fromkeys(KINDS, 0)
        self._newest_tick = 0
        self._buffers = {kind: BurstBuffer(kind, exchange, partition, self.epoch) for kind in KINDS}
        self._open: dict[Pair, _Open] = {}
        self._pieces_until = 0

    def first_frame(self, frame_time: int) -> None:
        """Declare the time from the clock found to the first frame unseen.

        What the former owner followed too is unseen for longer, until it is served.
        """
        if self._handover is None:
            return
        self._cut_handover(max(frame_time, self.clock or 0))
        self._handover = None
        for pair in sorted(self._expected):
            self.begin_interval(pair, frame_time, "down")
        self._expected.clear()

    def expect(self, pairs: Iterable[Pair]) -> None:
        """Know pairs that are to be followed and that nothing serves yet.

        Of a source that is taken over they may have been followed before: until they are served
        they are unseen.
        """
        if self._handover is not None:
            self._expected.update(pairs)
        elif self._is_taken_over:
            for pair in sorted(pairs):
                self.begin_interval(pair, self.clock or 0, "down")

    def advance(self, clock: int) -> None:
        """Move the clock on; it never goes back."""
        if self.clock is None or clock > self.clock:
            self.clock = clock

    def add(self, kind: Kind, tick: Quote | Trade, receive_time: int, clock: int | None) -> None:
        """Add a tick; `clock` is the source's as it stood before the tick's frame."""
        time, flags = tick.time, tick.flags
        if clock is not None and time < clock:
            time, flags = clock, flags | TickFlag.LATE.value
        self._newest_tick = max(self._newest_tick, time)
        self._count(kind, tick, receive_time, flags)
        pair = (kind, tick.market)
        if self._open and kind == "quotes" and self._is_open(pair, ("gap", "down")):
            self.end_interval(pair, time)
        self._buffers[kind].add(tick, time, receive_time, flags)

    def begin_interval(
        self, pair: Pair, start: int, reason: UnseenReason, connection: str | None = None
    ) -> None:
        """Begin an unseen interval unless one is open; it never begins before the clock."""
        if pair not in self._open:
            if reason == "gap":
                self._counts_of(pair[1]).gaps += 1
            start = max(start, self.clock or 0)
            self._open[pair] = _Open(start, reason, connection, start)

    def end_interval(self, pair: Pair, end: int) -> None:
        """End a pair's open interval, if there is one."""
        interval = self._open.pop(pair, None)
        if interval is not None:
            self._add_piece(pair, interval.start, end, interval.reason)

    def end_stale(self, pair: Pair, end: int) -> None:
        """End a stale interval: a connection that serves the pair is heard again."""
        if self._is_open(pair, ("stale",)):
            self.end_interval(pair, max(end, self.clock or 0))

    def begin_down(self, pair: Pair, start: int, connection: str) -> None:
        """Begin a `down` interval: `connection` is closed.

        A stale interval becomes `down` from here on when it was this connection's silence.
        """
        interval = self._open.get(pair)
        if interval is not None and interval.reason == "stale":
            if interval.connection != connection:
                return
            start = max(start, self.clock or 0)
            self.end_interval(pair, start)
        self.begin_interval(pair, start, "down")

    def end_down_trades(self, pair: Pair, end: int) -> None:
        """End a `down` interval of trades: the pair is served again."""
        if self._is_open(pair, ("down",)):
            self.end_interval(pair, max(end, self.clock or 0))

    def retire(self, market: str) -> None:
        """Stop following a market: its quote counts no more."""
        clock = self.clock or 0
        for kind in KINDS:
            self._open.pop((kind, market), None)
            self._expected.discard((kind, market))
            self._buffers[kind].add_unseen(Unseen(market, clock, clock + 1, "down"))
        self.counts.pop(market, None)

    def why_unseen(self, pair: Pair) -> UnseenReason | None:
        """Return why a pair is unseen now, None when it is seen."""
        interval = self._open.get(pair)
        return None if interval is None else interval.reason

    def unseen_since(self, pair: Pair) -> int | None:
        """Return when the unseen interval that a pair is in began, None when it is seen."""
        interval = self._open.get(pair)
        return None if interval is None else interval.since

    def lost_trades(self, market: str, count: int, clock: int | None, end: int) -> None:
        """Declare trades of a market lost before `end`."""
        self._counts_of(market).trades_lost += count
        self._add_piece(("trades", market), clock or end, end, "gap")

    def finish_clock(self, newest_frame: int) -> int:
        """Return the next whole second above everything this source has seen."""
        newest = max(self.clock or 0, self._newest_tick, newest_frame)
        return (newest // SECOND + 1) * SECOND

    def due(self, receive_time: int, linger: int, interval: int) -> Iterable[OutgoingBurst]:
        """Yield the bursts that must go out now: a second has passed, or a time limit has."""
        if self.clock is None:
            return
        second_passed = self.clock // SECOND > self._pieces_until // SECOND
        if second_passed:
            self._cut_handover(self.clock)
            self._cut_pieces()
        if second_passed:
            self._pieces_until = self.clock
        for buffer in self._buffers.values():
            lingered = buffer.oldest is not None and receive_time - buffer.oldest >= linger
            quiet = buffer.last_sent is None or receive_time - buffer.last_sent >= interval
            if second_passed or lingered or quiet:
                yield OutgoingBurst(
                    f"{self.exchange}_{buffer.kind}",
                    self.partition,
                    f"{self.exchange}|{self.partition}".encode(),
                    buffer.take(receive_time, self.clock),
                )

    def next_due(self, linger: int, interval: int) -> int:
        """Return the receive time at which a burst must go out at the latest (ns)."""
        return min(
            buffer.oldest + linger
            if buffer.oldest is not None
            else (buffer.last_sent or 0) + interval
            for buffer in self._buffers.values()
        )

    def _cut_pieces(self) -> None:
        """Write the open intervals down as far as the clock has come."""
        clock = self.clock or 0
        for pair, interval in self._open.items():
            if interval.start < clock:
                self._add_piece(pair, interval.start, clock, interval.reason)
                interval.start = clock

    def _cut_handover(self, end: int) -> None:
        """Write down as far as `end` that nothing was seen since the former owner's clock."""
        if self._handover is None:
            return
        clocks, newest = self._handover.clocks, self._handover.clock
        for kind, buffer in self._buffers.items():
            start = max(clocks.get(kind, newest), self._handed_over[kind])
            buffer.add_unseen(Unseen(EVERY_MARKET, start, max(end, start), "down"))
            self._handed_over[kind] = max(end, start)

    def _counts_of(self, market: str) -> MarketCounts:
        counts = self.counts.get(market)
        if counts is None:
            counts = self.counts[market] = MarketCounts()
        return counts

    def _count(self, kind: Kind, tick: Quote | Trade, receive_time: int, flags: int) -> None:
        counts = self._counts_of(tick.market)
        counts.last_received = receive_time
        if flags & TickFlag.LATE.value:
            counts.late += 1
        if kind == "trades":
            counts.trades += 1
            counts.traded = True
            counts.last_price = tick.price  # type: ignore[union-attr]
            return
        counts.quotes += 1
        if flags & TickFlag.CROSSED.value:
            counts.crossed += 1
        if not counts.traded:
            middle = (tick.bid + tick.ask) / 2  # type: ignore[union-attr]
            counts.last_price = middle if middle == middle else counts.last_price

    def _add_piece(self, pair: Pair, start: int, end: int, reason: UnseenReason) -> None:
        if end > start:
            kind, market = pair
            self._buffers[kind].add_unseen(Unseen(market, start, end, reason))

    def _is_open(self, pair: Pair, reasons: tuple[UnseenReason, ...]) -> bool:
        interval = self._open.get(pair)
        return interval is not None and interval.reason in reasons
