"""What an agent has read of one topic of one source, and how far a reader may forget it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.runtime.ordered_taker import OrderedTaker
from models.records.bursts import EVERY_MARKET, QuoteBurst, TradeBurst, Unseen

SECOND = 1_000_000_000

Decoder = Callable[[bytes | None], QuoteBurst | TradeBurst]
Columns = dict[str, NDArray[Any]]


class Position(msgspec.Struct, frozen=True, array_like=True):
    """From where a topic is read again: the offset, and the highest owner epoch before it."""

    offset: int
    epoch: int


class SourceLog(OrderedTaker):
    """The part of one topic of one source that no closed second holds yet.

    Bursts come in by `take` in offset order; `ticks_before` hands out ticks in event-time order,
    equal times in the order of the log. `position` tells where a reader that has closed
    everything before a boundary must go on: the first offset with a tick or any part of an unseen
    interval at or after the boundary, or with the clock that closes the next second.
    """

    def __init__(
        self,
        decode: Decoder,
        columns: Mapping[str, str],
        market_code: Callable[[str], int],
        position: Position,
        closed_until: int = 0,
    ) -> None:
        """Start at `position`; `columns` names the tick columns to keep, with their dtypes.

        Ticks before `closed_until` are passed over: a closed second holds them already.
        """
        self._closed_until = closed_until
        self._decode = decode
        self._columns = {"time": "<i8", **columns}
        self._market_code = market_code
        super().__init__(position.offset)
        self.epoch = position.epoch
        self.clock: int | None = None
        self.ignored = 0
        self._taken: list[tuple[int, QuoteBurst | TradeBurst]] = []
        self._ticks: Columns = {name: np.zeros(0, kind) for name, kind in self._columns.items()}
        self._ticks["offset"] = np.zeros(0, np.int64)
        self._market: NDArray[np.uint16] = np.zeros(0, np.uint16)
        self._least_offset: NDArray[np.int64] = np.zeros(0, np.int64)
        self._cursor = 0
        self._unseen: list[tuple[int, Unseen]] = []
        self._clock_marks: deque[tuple[int, int]] = deque()
        self._epoch_marks: list[tuple[int, int]] = [(-1, position.epoch)]
        self._lost_since: int | None = None

    def _take(self, offset: int, value: bytes | None) -> None:
        burst = self._decode(value)
        if burst.epoch < self.epoch:
            self.ignored += 1
            return
        if burst.epoch > self.epoch:
            self.epoch = burst.epoch
            self._epoch_marks.append((offset, burst.epoch))
        if self.clock is None or burst.clock > self.clock:
            if self.clock is None or burst.clock // SECOND > self.clock // SECOND:
                self._clock_marks.append((burst.clock // SECOND, offset))
            self.clock = burst.clock
        if self._lost_since is not None:
            known = min([burst.clock, *memoryview(burst.time).cast("q")])
            row = Unseen(EVERY_MARKET, self._lost_since, max(self._lost_since, known), "gap")
            self._unseen.append((offset, row))
            self._lost_since = None
        for row in burst.unseen:
            self._unseen.append((offset, row))
        if burst.time:
            self._taken.append((offset, burst))

    def records_lost(self, since: int) -> None:
        """Say that records before the next one are gone: a gap from `since` to what that one tells.

        Of quotes it lasts, as every gap, until a market's next one.
        """
        self._lost_since = since

    def earliest_time(self, since: int = 0) -> int | None:
        """Return when, from `since` on, a tick comes or an unseen interval begins or ends.

        None without any.
        """
        self._gather()
        # The last moment of an interval belongs to the second that must see it end.
        times = [row.start if row.start >= since else row.end - 1 for _, row in self._unseen]
        if self._cursor < len(self._market):
            times.append(int(self._ticks["time"][self._cursor]))
        return min(times, default=None)

    def ticks_before(self, end: int) -> tuple[NDArray[np.uint16], Columns]:
        """Hand out, once, the ticks with a time below `end`: market codes and columns."""
        self._gather()
        start = self._cursor
        stop = start + int(np.searchsorted(self._ticks["time"][start:], end, side="left"))
        self._cursor = stop
        return self._market[start:stop], {
            name: column[start:stop] for name, column in self._ticks.items()
        }

    def unseen_within(self, begin: int, end: int) -> Sequence[Unseen]:
        """Return the unseen intervals that begin in or reach into `[begin, end)`."""
        return [
            row
            for _, row in self._unseen
            if row.start < end and (row.end > begin or row.start >= begin)
        ]

    def position(self, boundary: int) -> Position:
        """Return where to go on when everything before `boundary` is closed; forgets that."""
        self._unseen = [
            (offset, row)
            for offset, row in self._unseen
            if row.end > boundary or row.start >= boundary
        ]
        while self._clock_marks and self._clock_marks[0][0] <= boundary // SECOND:
            self._clock_marks.popleft()
        offsets = [self.next_offset]
        offsets.extend(offset for offset, _ in self._unseen)
        if self._clock_marks:
            offsets.append(self._clock_marks[0][1])
        if self._cursor < len(self._least_offset):
            offsets.append(int(self._least_offset[self._cursor]))
        if self._taken:
            offsets.append(self._taken[0][0])
        offset = min(offsets)
        before = [mark for mark in self._epoch_marks if mark[0] < offset]
        self._epoch_marks = [before[-1], *self._epoch_marks[len(before) :]]
        return Position(offset, before[-1][1])

    def _gather(self) -> None:
        """Sort what was taken since in between what is still held."""
        if not self._taken:
            return
        taken, self._taken = self._taken, []
        counts = [len(burst) for _, burst in taken]
        ticks: Columns = {}
        for name, kind in self._columns.items():
            fresh = np.frombuffer(b"".join([getattr(burst, name) for _, burst in taken]), kind)
            ticks[name] = np.concatenate((self._ticks[name][self._cursor :], fresh))
        offsets = np.repeat(np.array([offset for offset, _ in taken], np.int64), counts)
        ticks["offset"] = np.concatenate((self._ticks["offset"][self._cursor :], offsets))
        market = np.concatenate((self._market[self._cursor :], self._codes(taken, counts)))
        if self._closed_until:
            kept = ticks["time"] >= self._closed_until
            ticks = {name: column[kept] for name, column in ticks.items()}
            market = market[kept]
            if self.clock is not None and self.clock >= self._closed_until:
                # No burst after this one holds a tick before its clock.
                self._closed_until = 0
        time = ticks["time"]
        if len(time) > 1 and bool(np.any(time[1:] < time[:-1])):
            order = np.argsort(time, kind="stable")
            ticks = {name: column[order] for name, column in ticks.items()}
            market = market[order]
        self._ticks, self._market, self._cursor = ticks, market, 0
        self._least_offset = np.minimum.accumulate(ticks["offset"][::-1])[::-1]

    def _codes(
        self, taken: Sequence[tuple[int, QuoteBurst | TradeBurst]], counts: Sequence[int]
    ) -> NDArray[np.uint16]:
        codes: list[int] = []
        starts: list[int] = []
        market_code = self._market_code
        for _, burst in taken:
            starts.append(len(codes))
            codes.extend([market_code(name) for name in burst.markets])
        local = np.frombuffer(b"".join([burst.market for _, burst in taken]), "<u2")
        result: NDArray[np.uint16] = np.array(codes, np.uint16)[
            local + np.repeat(np.array(starts), counts)
        ]
        return result
