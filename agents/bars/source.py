"""One source in the bars agent: reads trades and candles, closes minutes, uses candles."""

from __future__ import annotations

import msgspec

from agents.bars.candle_log import CandleLog
from agents.bars.changes import Change, Head, Kept, bars_change, first_number, head_change
from agents.bars.closing import Closing
from agents.bars.filling import Filling, Use
from agents.bars.outputs import BarOutputs
from agents.bars.tables import MINUTE_NS, BarRings
from agents.bars.trades_log import TradesLog
from agents.runtime.source import Output
from agents.runtime.source_log import Position
from models.records.bars import BarInterval

MINUTES_A_GROUP = 8


class Group(msgspec.Struct, frozen=True):
    """Closed minutes or used candles on their way out: `before`, then outputs, then `after`."""

    before: list[Change]
    outputs: list[Output]
    after: list[Change]
    minutes: int


class BarsSource:
    """One exchange × one partition. A minute's number is its start divided by 60 s."""

    def __init__(
        self,
        exchange: str,
        partition: int,
        topic: str,
        kept: Kept | None,
        rings: BarRings,
        candles: CandleLog,
        beginning: int,
    ) -> None:
        """Go on from `kept`, with the bars in `rings`, or from `beginning`, the first offset."""
        self.exchange = exchange
        self.partition = partition
        self.topic = topic
        self._rings = rings
        self._candles = candles
        self._next: int | None = None
        self._number = first_number(0)
        self._published = 0
        self._again: Group | None = None
        if kept is None:
            self._log = TradesLog(rings.code, Position(beginning, 0), beginning, 0, None)
        else:
            head = kept.head
            closed_until = head.boundary * MINUTE_NS
            self._log = TradesLog(rings.code, head.trades, beginning, closed_until, head.lost)
        self._closing = Closing(self._log, rings)
        self._outputs = BarOutputs(exchange, partition, rings)
        self._filling = Filling(exchange, rings, self._closing, self._outputs)
        if kept is not None:
            self._restore(kept)

    @property
    def next_offset(self) -> int:
        """Return the offset of the record of trades to be taken next."""
        return self._log.next_offset

    def take(self, offset: int, value: bytes | None) -> None:
        """Take the record of trades at `offset`.

        Raises:
            RecordError: it cannot be decoded; it counts as taken.
            InvariantError: records between the expected one and this one are missing.
        """
        self._log.take(offset, value)

    @property
    def position(self) -> Position:
        """Return from where the trades are read again after the newest group."""
        return self._log.position

    @property
    def boundary(self) -> int:
        """Return the number of the first minute that is not closed, 0 where none is known."""
        return self._next or 0

    def group(self) -> Group | None:
        """Return what can go out next, None where nothing can; it counts as done from then on."""
        if self._again is not None:
            group, self._again = self._again, None
            return group
        target = self._log.target
        if self._next is None:
            if target is None:
                return None
            self._next = self._published = self._log.earliest(0, target)
        # Candles first: nothing that is closed later may have to do without them.
        return self._use_candles(self._next) or self._close_minutes(self._next, target or 0)

    def _restore(self, kept: Kept) -> None:
        head = kept.head
        self._next = head.boundary
        self._published = head.boundary
        self._number = first_number(head.number)
        self._closing.restore(head.known, head.unseen_minutes)
        if head.batch:
            use = Use(head.batch, head.batch_offset, head.number, head.boundary, kept.rewritten)
            outputs, after = self._filling.use(use)
            self._again = Group([], [] if kept.rewritten else outputs, after, 0)
        else:
            outputs = self._outputs.of_minutes(head.published, head.boundary)
            self._again = Group([], outputs, [], 0)

    def _close_minutes(self, begin: int, target: int) -> Group | None:
        changes: list[tuple[BarInterval, int]] = []
        closed: list[int] = []
        minute = begin
        while minute < target and len(closed) < MINUTES_A_GROUP:
            if self._closing.is_idle(minute):
                change = self._closing.next_change(minute, target)
                if change > minute:
                    # A later minute may take the slot of one that recovery still needs: the head
                    # that passes over those between goes out first.
                    minute = change
                    break
            changes += self._closing.close(minute)
            closed.append(minute)
            minute += 1
        if minute == begin:
            return None
        self._next = minute
        outputs = [output for each in closed for output in self._outputs.of_minute(each)]
        number = self._numbered()
        before = [
            bars_change(self.exchange, number, self._rings, interval, index)
            for interval, index in changes
        ]
        before.append(self._head(number, minute, [], -1))
        self._published = minute
        return Group(before, outputs, [], len(closed))

    def _use_candles(self, boundary: int) -> Group | None:
        """Use the records of candles that wait for no minute."""
        batch = self._candles.batch(self.exchange, boundary)
        if not batch:
            return None
        self._candles.use(self.exchange, len(batch))
        number = self._numbered()
        values, offset = [record.value for record in batch], batch[-1].offset
        outputs, after = self._filling.use(Use(values, offset, number, boundary))
        return Group([self._head(number, boundary, values, offset)], outputs, after, 0)

    def _head(self, number: int, boundary: int, batch: list[bytes], batch_offset: int) -> Change:
        self._log.pass_over(boundary)
        known, unseen_minutes = self._closing.known()
        head = Head(
            number=number,
            boundary=boundary,
            published=self._published,
            trades=self._log.position,
            candles=self._candles.position(self.exchange),
            known=known,
            unseen_minutes=unseen_minutes,
            lost=self._log.lost,
            batch=batch,
            batch_offset=batch_offset,
        )
        return head_change(self.exchange, self.topic, head)

    def _numbered(self) -> int:
        self._number += 1
        return self._number
