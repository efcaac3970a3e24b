"""What one source publishes of the bars in its rings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.bars.records import Place, bars_output, indicators_output, named
from agents.bars.tables import TABLES, BarRings
from agents.runtime.source import Output
from models.records.bars import BarInterval
from models.statistics.indicators import ROW_BARS


class BarOutputs:
    """Records of bars and of indicators at them.

    `candles`, where it is given, is the offset of the record that made them be published anew.
    """

    def __init__(self, exchange: str, partition: int, rings: BarRings) -> None:
        """Publish what is in `rings` when it is asked for."""
        self._exchange = exchange
        self._partition = partition
        self._rings = rings

    def of_minute(self, minute: int) -> list[Output]:
        """Return what is published when a minute has closed."""
        outputs: list[Output] = []
        for interval, table in TABLES.items():
            index, rest = divmod(minute + 1, table.minutes)
            index -= 1
            codes = self._rings.sorted_by_name(self._rings.rings[interval].present(index))
            if rest or not len(codes):
                continue
            outputs.append(self.bars(interval, index, codes))
            outputs.append(self.indicators(interval, index, codes))
        return outputs

    def of_minutes(self, begin: int, end: int) -> list[Output]:
        """Return what is published of all minutes from `begin` on, before `end`."""
        minutes: set[int] = set()
        for interval, table in TABLES.items():
            held = self._rings.rings[interval].held(begin // table.minutes, end // table.minutes)
            minutes.update((index + 1) * table.minutes - 1 for index in held)
        chosen = sorted(minute for minute in minutes if begin <= minute < end)
        return [output for minute in chosen for output in self.of_minute(minute)]

    def bars(
        self,
        interval: BarInterval,
        index: int,
        codes: NDArray[np.int64],
        candles: int | None = None,
    ) -> Output:
        """Return the bars number `index` of these markets."""
        place = Place(self._exchange, self._partition, interval, index, candles)
        columns = self._rings.rings[interval].at(index, codes)
        return bars_output(place, named(self._rings.names, codes), columns)

    def indicators(
        self,
        interval: BarInterval,
        index: int,
        codes: NDArray[np.int64],
        candles: int | None = None,
    ) -> Output:
        """Return the indicators of these markets at the bars number `index`."""
        window = self._rings.rings[interval].window(index + 1, ROW_BARS, codes)
        place = Place(self._exchange, self._partition, interval, index, candles)
        return indicators_output(place, named(self._rings.names, codes), window)
