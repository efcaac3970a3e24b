"""How minutes are closed: which markets have a bar, and which minutes have none at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.bars.records import named
from agents.bars.tables import TABLES, BarRings
from agents.bars.trades_log import TradesLog
from models.records.bars import BarInterval
from models.records.bursts import EVERY_MARKET
from models.statistics.bars import minute_bars

UNSEEN_LIMIT = 60
"""After how many minutes unseen a market has no bars."""


class Closing:
    """The markets of a source that have bars, and for how long each has not been seen."""

    def __init__(self, log: TradesLog, rings: BarRings) -> None:
        """Know no market with bars yet."""
        self._log = log
        self._rings = rings
        self._known: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._unseen_minutes: NDArray[np.int64] = np.zeros(0, np.int64)

    def restore(self, known: list[str], unseen_minutes: Sequence[int]) -> None:
        """Go on from what `known` told."""
        codes = self._rings.codes(known)
        self._grow()
        self._known[codes] = True
        self._unseen_minutes[codes] = unseen_minutes

    def known(self) -> tuple[list[str], list[int]]:
        """Return the markets that have bars, and for how many minutes each has not been seen."""
        codes = np.flatnonzero(self._known)
        return named(self._rings.names, codes), self._unseen_minutes[codes].tolist()

    def know(self, code: int) -> None:
        """Say that a market has bars from the next minute on, if it has none yet."""
        self._grow()
        if not self._known[code]:
            self._known[code] = True
            self._unseen_minutes[code] = 0

    def close(self, minute: int) -> list[tuple[BarInterval, int]]:
        """Close a minute; return the bars that it finishes."""
        trades = self._log.trades_of(minute)
        self._grow()
        seen, reasons = self._log.coverage(minute, self._rings.names)
        bars = minute_bars(len(seen), trades, seen, reasons)
        traded = bars["n"] > 0
        self._known |= traded
        alive = traded | (seen > 0)
        self._unseen_minutes = np.where(alive, 0, self._unseen_minutes + 1)
        having = np.flatnonzero(self._known & (self._unseen_minutes <= UNSEEN_LIMIT))
        finished: list[tuple[BarInterval, int]] = []
        if len(having):
            chosen = {name: column[having] for name, column in bars.items()}
            self._rings.rings["1m"].put(minute, having, chosen)
            finished.append(("1m", minute))
        for table in TABLES.values():
            index, rest = divmod(minute + 1, table.minutes)
            if table.of is not None and not rest and len(self._rings.merge(table, index - 1)):
                finished.append((table.interval, index - 1))
        return finished

    def is_idle(self, minute: int) -> bool:
        """Return whether minutes from this one on have no one-minute bar.

        As long as no trade comes and no unseen interval begins or ends.
        """
        away = self._log.away_at(minute)
        # Markets may have been read that are of no closed minute yet.
        known = np.flatnonzero(self._known)
        return all(
            self._unseen_minutes[code] >= UNSEEN_LIMIT
            and (EVERY_MARKET in away or self._rings.names[code] in away)
            for code in known.tolist()
        )

    def next_change(self, minute: int, target: int) -> int:
        """Return the next minute from `minute` on in which something happens, at most `target`.

        A trade, an unseen interval that begins or ends, or the end of a longer bar that has begun.
        """
        stops = [self._log.next_event(minute, target)]
        every = np.arange(len(self._rings.names))
        for table in TABLES.values():
            index, done = divmod(minute, table.minutes)
            if table.of is None or not done:
                continue
            window = self._rings.rings["1m"].window(minute, min(done, 60), every)
            hours = self._rings.rings["1h"].window(minute // 60, done // 60, every)
            if window["origin"].any() or hours["origin"].any():
                stops.append((index + 1) * table.minutes - 1)
        return min(stops)

    def _grow(self) -> None:
        more = len(self._rings.names) - len(self._known)
        if more > 0:
            self._known = np.append(self._known, np.zeros(more, np.bool_))
            self._unseen_minutes = np.append(self._unseen_minutes, np.zeros(more, np.int64))
