"""What was read of a source's trades and is in no closed minute yet, and which time was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.bars.tables import MINUTE_NS
from agents.runtime.source_log import Position, SourceLog
from models.records.bursts import EVERY_MARKET, TickFlag, Unseen, UnseenReason, decode_trades
from models.statistics.bars import Trades
from models.statistics.coverage import coverage

_COLUMNS = {"price": "<f8", "size": "<f8", "flags": "|u1"}
_BEFORE_THE_FIRST = (0, 2**62)


class TradesLog:
    """The trades topic of one source, minute by minute.

    `lost` is the time (ns) in which records were deleted before they were read, or that before the
    first trade of all, which nobody can have heard; it counts as a gap.
    """

    def __init__(
        self,
        market_code: Callable[[str], int],
        position: Position,
        beginning: int,
        closed_until: int,
        lost: tuple[int, int] | None,
    ) -> None:
        """Go on at `position`, everything before `closed_until` being closed.

        `beginning` is the first offset that there is.
        """
        self.lost = lost
        self._lost_since: int | None = None
        if not closed_until:
            self.lost = _BEFORE_THE_FIRST
        elif position.offset < beginning:
            # Retention has deleted what was still to be read.
            position = Position(beginning, position.epoch)
            if self.lost != _BEFORE_THE_FIRST:
                self._lost_since = closed_until
        self._log = SourceLog(decode_trades, _COLUMNS, market_code, position, closed_until)
        self._position = position

    @property
    def next_offset(self) -> int:
        """Return the offset of the record to be taken next."""
        return self._log.next_offset

    @property
    def position(self) -> Position:
        """Return from where the trades are read again after the newest `pass_over`."""
        return self._position

    @property
    def target(self) -> int | None:
        """Return the number of the first minute that cannot be closed yet; None of an empty log."""
        clock = self._log.clock
        return None if clock is None else clock // MINUTE_NS

    def take(self, offset: int, value: bytes | None) -> None:
        """Take the record at `offset`.

        Raises:
            RecordError: it cannot be decoded; it counts as taken.
            InvariantError: records between the expected one and this one are missing.
        """
        self._log.take(offset, value)
        if self._lost_since is not None and self._log.clock is not None:
            # Until the clock of the first record that is held, others may be missing.
            self.lost = (self._lost_since, self._log.clock)
            self._lost_since = None

    def earliest(self, since: int, target: int) -> int:
        """Return in which minute from `since` on something happens, at most `target`.

        A trade, or an unseen interval that begins or ends.
        """
        time = self._log.earliest_time(since * MINUTE_NS)
        return target if time is None else max(min(target, time // MINUTE_NS), since)

    def next_event(self, minute: int, target: int) -> int:
        """Return the same from `minute` on, the end of what was lost being one more such moment."""
        found = self.earliest(minute, target)
        if self.lost is not None and self.lost[1] > minute * MINUTE_NS:
            found = min(found, max(minute, self.lost[1] // MINUTE_NS))
        return found

    def trades_of(self, minute: int) -> Trades:
        """Hand out, once, the trades of a minute that are not late."""
        market, columns = self._log.ticks_before((minute + 1) * MINUTE_NS)
        on_time = (columns["flags"] & TickFlag.LATE.value) == 0
        if self.lost == _BEFORE_THE_FIRST and on_time.any():
            self.lost = (0, int(columns["time"][on_time].min()))
        return Trades(
            market[on_time],
            columns["time"][on_time],
            columns["price"][on_time],
            columns["size"][on_time],
        )

    def coverage(
        self, minute: int, names: Sequence[str]
    ) -> tuple[NDArray[np.float64], list[UnseenReason | None]]:
        """Return by market of `names` the share of a minute that was seen, and why not all."""
        begin, end = minute * MINUTE_NS, (minute + 1) * MINUTE_NS
        seen = np.ones(len(names))
        reasons: list[UnseenReason | None] = [None] * len(names)
        rows = self._unseen(begin, end)
        if not rows:
            return seen, reasons
        named_in_rows = {row.market for row in rows}
        for code, name in enumerate(names):
            if name in named_in_rows or EVERY_MARKET in named_in_rows:
                of_market = [row for row in rows if row.market in (name, EVERY_MARKET)]
                found = coverage(begin, end, of_market)
                seen[code] = found.seen_ns / (end - begin)
                reasons[code] = found.reason
        return seen, reasons

    def away_at(self, minute: int) -> set[str]:
        """Return which markets are unseen when a minute begins; `*` is every market."""
        begin = minute * MINUTE_NS
        rows = self._unseen(begin, begin + 1)
        return {row.market for row in rows if row.start <= begin < row.end}

    def pass_over(self, boundary: int) -> None:
        """Forget what lies before minute `boundary`; `position` follows from it."""
        self._position = self._log.position(boundary * MINUTE_NS)
        if self.lost is not None and self.lost[1] <= boundary * MINUTE_NS:
            self.lost = None

    def _unseen(self, begin: int, end: int) -> Sequence[Unseen]:
        rows = self._log.unseen_within(begin, end)
        if self.lost is None:
            return rows
        return [Unseen(EVERY_MARKET, *self.lost, "gap"), *rows]
