"""What the spread agent makes of a source's seconds: panes, carried quotes, rows."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.runtime.panes import Pane, PaneRing
from agents.runtime.source import Output
from agents.runtime.source_log import SECOND, SourceLog
from agents.spread.rows import Rows, encode_rows
from agents.spread.tables import MEAN_15S
from models.records.bursts import EVERY_MARKET, UnseenReason
from models.statistics.quoted_spread import CarriedQuotes, Quotes, close_second
from models.topics import SPREADS


class _Carried(msgspec.Struct, frozen=True, array_like=True):
    """Carried quotes as they stand in a step: float64 and bool columns, dead reasons by market."""

    bid: bytes
    ask: bytes
    known: bytes
    dead: dict[int, UnseenReason]


class SpreadFigures:
    """The figures of one source."""

    def __init__(self, exchange: str, partition: int) -> None:
        """Know no market yet."""
        self.markets: list[str] = []
        self._exchange = exchange
        self._partition = partition
        self._carried = CarriedQuotes.none()
        self._covered: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def close(
        self, index: int, logs: Mapping[str, SourceLog], ring: PaneRing, publish: bool
    ) -> tuple[Pane, list[Output]]:
        """Close second number `index`."""
        begin, end = index * SECOND, (index + 1) * SECOND
        quotes_log = logs[f"{self._exchange}_quotes"]
        market, columns = quotes_log.ticks_before(end)
        # The trades of the second are not part of a figure yet; handing them out forgets them.
        logs[f"{self._exchange}_trades"].ticks_before(end)
        second = close_second(
            begin,
            end,
            self.markets,
            Quotes(market, columns["time"], columns["bid"], columns["ask"]),
            quotes_log.unseen_within(begin, end),
            self._carried,
        )
        self._carried = second.carried
        ring.put(index, second.pane)
        width = len(self.markets)
        window = ring.merged(index + 1, MEAN_15S.panes, width)
        covered = window["good_ns"] > 0
        before = np.zeros(width, np.bool_)
        before[: len(self._covered)] = self._covered
        self._covered = covered
        wanted = np.flatnonzero(covered | before | second.first_quoted)
        if not publish or not len(wanted):
            return second.pane, []
        chosen = sorted((int(code) for code in wanted), key=self.markets.__getitem__)
        value = encode_rows(
            Rows(
                self._exchange,
                self._partition,
                index + 1,
                [self.markets[code] for code in chosen],
                {name: column[chosen] for name, column in window.items()},
                second.carried.bid[chosen],
                second.carried.ask[chosen],
                [second.unseen_at_end.get(code) for code in chosen],
            )
        )
        key = f"{self._exchange}|{self._partition}|{index + 1}".encode()
        return second.pane, [Output(SPREADS.name, key, value)]

    def idle(self, index: int, logs: Mapping[str, SourceLog], ring: PaneRing) -> bool:
        """Return whether no quote in force is seen and the window before `index` is empty."""
        begin = index * SECOND
        rows = logs[f"{self._exchange}_quotes"].unseen_within(begin, begin + 1)
        away = {row.market for row in rows if row.start <= begin < row.end}
        alive = self._carried.known.copy()
        alive[list(self._carried.dead)] = False
        names = {self.markets[code] for code in np.flatnonzero(alive)}
        if not (EVERY_MARKET in away or names <= away):
            return False
        window = ring.merged(index, MEAN_15S.panes, len(self.markets))
        return not (window["good_ns"].any() or window["n"].any())

    def carried(self) -> bytes:
        """Return the quotes in force."""
        carried = self._carried
        return msgspec.msgpack.encode(
            _Carried(
                np.asarray(carried.bid, "<f8").tobytes(),
                np.asarray(carried.ask, "<f8").tobytes(),
                carried.known.tobytes(),
                dict(carried.dead),
            )
        )

    def restore(self, carried: bytes, next_index: int, ring: PaneRing) -> None:
        """Take back the quotes in force and which markets had a row."""
        kept = msgspec.msgpack.decode(carried, type=_Carried)
        self._carried = CarriedQuotes(
            np.frombuffer(kept.bid, "<f8"),
            np.frombuffer(kept.ask, "<f8"),
            np.frombuffer(kept.known, np.bool_),
            kept.dead,
        )
        window = ring.merged(next_index, MEAN_15S.panes, len(self.markets))
        self._covered = window["good_ns"] > 0
