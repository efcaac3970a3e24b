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


class _Open(msgspec.Struct):
    """An unseen interval that has not ended, written down as far as `start`."""

    start: int
    reason: UnseenReason


class SourceState:
    """The clock, the open intervals and the unsent bursts of one exchange × one partition."""

    def __init__(self, exchange: str, partition: int, found: Found | None, generation: int) -> None:
        """Become the owner: the epoch is above any found, the clock goes on from the one found."""
        self.exchange = exchange
        self.partition = partition
        self.epoch = max(generation, (found.epoch if found else 0) + 1)
        self.clock: int | None = found.clock if found else None
        self.pairs: set[Pair] = set()
        self._handover = found
        self._newest_tick = 0
        self._buffers = {kind: BurstBuffer(kind, exchange, partition, self.epoch) for kind in KINDS}
        self._open: dict[Pair, _Open] = {}
        self._pieces_until = 0

    def first_frame(self, frame_time: int) -> None:
        """Declare the time from the clock found to the first frame unseen."""
        found, self._handover = self._handover, None
        if found is None:
            return
        for kind, buffer in self._buffers.items():
            start = found.clocks.get(kind, found.clock)
            buffer.add_unseen(Unseen(EVERY_MARKET, start, max(frame_time, found.clock), "down"))

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
        pair = (kind, tick.market)
        if self._open and kind == "quotes" and self._is_open(pair, ("gap", "down")):
            self.end_interval(pair, time)
        self._buffers[kind].add(tick, time, receive_time, flags)

    def begin_interval(self, pair: Pair, start: int, reason: UnseenReason) -> None:
        """Begin an unseen interval unless one is open; it never begins before the clock."""
        if pair not in self._open:
            self._open[pair] = _Open(max(start, self.clock or 0), reason)

    def end_interval(self, pair: Pair, end: int) -> None:
        """End a pair's open interval, if there is one."""
        interval = self._open.pop(pair, None)
        if interval is not None:
            self._add_piece(pair, interval.start, end, interval.reason)

    def end_stale(self, pair: Pair, end: int) -> None:
        """End a stale interval: a connection that serves the pair is heard again."""
        if self._is_open(pair, ("stale",)):
            self.end_interval(pair, max(end, self.clock or 0))

    def begin_down(self, pair: Pair, start: int) -> None:
        """Begin a `down` interval; a stale one becomes `down` from the clock on."""
        if self._is_open(pair, ("stale",)):
            self.end_interval(pair, self.clock or 0)
            start = self.clock or 0
        self.begin_interval(pair, start, "down")

    def end_down_trades(self, pair: Pair, end: int) -> None:
        """End a `down` interval of trades: the pair is served again."""
        if self._is_open(pair, ("down",)):
            self.end_interval(pair, max(end, self.clock or 0))

    def lost_trades(self, market: str, clock: int | None, end: int) -> None:
        """Declare trades of a market lost before `end`."""
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
        if second_passed and self._open:
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

    def _cut_pieces(self) -> None:
        """Write the open intervals down as far as the clock has come."""
        clock = self.clock or 0
        for pair, interval in self._open.items():
            if interval.start < clock:
                self._add_piece(pair, interval.start, clock, interval.reason)
                interval.start = clock

    def _add_piece(self, pair: Pair, start: int, end: int, reason: UnseenReason) -> None:
        if end > start:
            kind, market = pair
            self._buffers[kind].add_unseen(Unseen(market, start, end, reason))

    def _is_open(self, pair: Pair, reasons: tuple[UnseenReason, ...]) -> bool:
        interval = self._open.get(pair)
        return interval is not None and interval.reason in reasons
