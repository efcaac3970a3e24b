"""How candles are used: they fill minutes, and what follows from these is published anew."""

from __future__ import annotations

import msgspec
import numpy as np

from agents.bars.candles import candle_bars, filled, read_candles
from agents.bars.changes import Change, bars_change
from agents.bars.closing import Closing
from agents.bars.outputs import BarOutputs
from agents.bars.tables import TABLES, BarRings
from agents.runtime.source import Output
from models.records.bars import BarInterval
from models.records.candles import Candles
from models.statistics.bars import differing

Touched = dict[tuple[BarInterval, int], set[int]]
"""By interval and number of a bar the codes of the markets whose bar may have changed."""


class Use(msgspec.Struct, frozen=True):
    """Records of candles used before minute `boundary`, in the order of the log.

    `offset` is that of the newest of them, `number` that of the head that holds them. With `again`
    some of the bars that they change are in the rings already, so every bar that they touch
    counts as changed.
    """

    values: list[bytes]
    offset: int
    number: int
    boundary: int
    again: bool = False


class Filling:
    """Fills the rings of one source."""

    def __init__(
        self, exchange: str, rings: BarRings, closing: Closing, outputs: BarOutputs
    ) -> None:
        """Fill `rings`; `closing` learns which markets have bars from then on."""
        self._exchange = exchange
        self._rings = rings
        self._closing = closing
        self._outputs = outputs

    def use(self, use: Use) -> tuple[list[Output], list[Change]]:
        """Fill minutes and merge longer bars anew; return what is published and written then."""
        touched: Touched = {}
        for value in use.values:
            candles = read_candles(value)
            code = self._rings.code(candles.market)
            for minute in self._fill(code, candles, use):
                touched.setdefault(("1m", minute), set()).add(code)
        for (_, minute), of_markets in list(touched.items()):
            for table in TABLES.values():
                index = minute // table.minutes
                if table.of is not None and (index + 1) * table.minutes <= use.boundary:
                    touched.setdefault((table.interval, index), set()).update(of_markets)
        return self._merge(touched, use)

    def _fill(self, code: int, candles: Candles, use: Use) -> list[int]:
        """Fill the minutes of a market; return those that may have changed."""
        minutes, bars = candle_bars(candles, use.boundary)
        if not len(minutes):
            return []
        self._closing.know(code)
        codes = np.array([code])
        ring = self._rings.rings["1m"]
        live = ring.window(int(minutes[-1]) + 1, len(minutes), codes)
        takes, filling = filled({name: rows[:, 0] for name, rows in live.items()}, bars)
        for place in np.flatnonzero(takes).tolist():
            one = {name: column[place : place + 1] for name, column in filling.items()}
            ring.put(int(minutes[place]), codes, one)
        changed: list[int] = (minutes if use.again else minutes[takes]).tolist()
        return changed

    def _merge(self, touched: Touched, use: Use) -> tuple[list[Output], list[Change]]:
        outputs: list[Output] = []
        changes: list[Change] = []
        for interval, table in TABLES.items():
            ring = self._rings.rings[interval]
            newest = use.boundary // table.minutes - 1
            of_newest: set[int] = set()
            for index in sorted(index for each, index in touched if each == interval):
                codes = np.array(sorted(touched[interval, index]), np.int64)
                if table.of is not None:
                    before = ring.at(index, codes)
                    self._rings.merge(table, index)
                    if not use.again:
                        codes = codes[differing(before, ring.at(index, codes))]
                if not len(codes):
                    continue
                codes = self._rings.sorted_by_name(codes)
                outputs.append(self._outputs.bars(interval, index, codes, use.offset))
                changes.append(
                    bars_change(self._exchange, use.number, self._rings, interval, index)
                )
                of_newest.update(codes.tolist())
            present = set(ring.present(newest).tolist())
            codes = self._rings.sorted_by_name(np.array(sorted(of_newest & present), np.int64))
            if len(codes):
                outputs.append(self._outputs.indicators(interval, newest, codes, use.offset))
        return outputs, changes
