"""Indicators of a composite: the figures of its bars, computed when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.markets import coin_of
from models.records.bars import INTERVAL_SECONDS
from models.records.reasons import Reason
from models.statistics.bar_rows import BarRows, bar_rows
from models.statistics.bars import ABSENT, BAR_COLUMNS, LIVE, ORIGINS, source_of
from models.statistics.composite import CompositeBar
from models.statistics.indicators import FIRST_N, ROW_BARS, indicators
from models.times import iso_seconds
from services.gateway.bars.composite import CompositeSeries
from services.gateway.filters import quote_of
from services.gateway.items import Figures
from services.gateway.memory.interval_rows import UNSEEN, HeldRows

_COLUMNS = ("open", "high", "low", "close", "volume", "quote_volume", "coverage")
_AT_ONCE = 250


class CompositeIndicators:
    """Indicators over the composite bars of these markets, at least one."""

    def __init__(self, held: HeldRows, markets: Sequence[str]) -> None:
        """`held` are bars."""
        self.interval = held.interval
        self._bars = CompositeSeries(held, markets)
        self._market = markets[0]

    def numbers(self) -> Sequence[int]:
        """Return the numbers of which there is a composite bar, in order."""
        return self._bars.numbers()

    def figures(self, numbers: Sequence[int]) -> Iterator[Figures]:
        """Yield the figures at the end of these bars; `numbers` are in order."""
        held = self.numbers()
        bars: dict[int, CompositeBar] = {}
        for begin in range(0, len(numbers), _AT_ONCE):
            part = numbers[begin : begin + _AT_ONCE]
            first = part[0] - ROW_BARS + 1
            # Two parts look back over the same bars.
            wanted = [n for n in held if first <= n <= part[-1]]
            bars = {n: bars.get(n) or self._bars.bar(n) for n in wanted}
            yield from self._part(part, bars, first)

    def _part(
        self, numbers: Sequence[int], bars: dict[int, CompositeBar], first: int
    ) -> Iterator[Figures]:
        ends = np.array(numbers) - first - ROW_BARS + 1
        window = _windows(bars, first, numbers[-1], ends)
        rows = bar_rows(window)
        length = INTERVAL_SECONDS[self.interval]
        found = indicators(rows, length)
        origin = np.bitwise_or.reduce(np.where(rows.inside, window["origin"], 0), axis=0)
        for i, number in enumerate(numbers):
            values = {name: _number(column[i]) for name, column in found.items()}
            reasons = _reasons(bars[number], values, rows, i)
            figures: Figures = {
                "coin": coin_of(self._market),
                "quote_currency": quote_of(self._market),
                "interval": self.interval,
                "start": iso_seconds(number * length),
                "as_of": iso_seconds((number + 1) * length),
                "n": int(rows.n[i]),
                **values,
                "source": source_of(int(origin[i]) or LIVE),
                "markets": bars[number].markets,
                "missing": bars[number].missing,
                "stale": not UNSEEN.isdisjoint(reasons.values()),
                "reasons": reasons,
            }
            yield self._bars.marked(figures, number)


def _windows(
    bars: dict[int, CompositeBar], first: int, last: int, ends: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return columns of shape (ROW_BARS, ends): the bars up to each end."""
    columns = {name: np.full(last - first + 1, BAR_COLUMNS[name][1]) for name in _COLUMNS}
    columns["origin"] = np.full(last - first + 1, ABSENT)
    for number, bar in bars.items():
        place = number - first
        for name in _COLUMNS:
            value = getattr(bar, name)
            columns[name][place] = np.nan if value is None else value
        columns["origin"][place] = ORIGINS[bar.source]
    return {
        name: np.ascontiguousarray(sliding_window_view(column, ROW_BARS)[ends].T)
        for name, column in columns.items()
    }


def _reasons(
    bar: CompositeBar, values: dict[str, float | None], rows: BarRows, i: int
) -> dict[str, Reason]:
    found: dict[str, Reason] = {}
    for name, value in values.items():
        if value is not None:
            continue
        if bar.close is None and bar.volume is None:
            found[name] = bar.reasons["close"]
        elif rows.n[i] < FIRST_N[name]:
            found[name] = "warming"
        elif name == "rsi_14":
            found[name] = "quiet"
        else:
            unknown = bool(np.isnan(rows.quote_volume[-FIRST_N[name] :, i]).any())
            found[name] = "thin" if unknown else "no_trades"
    return found


def _number(value: float) -> float | None:
    return float(value) if value == value else None
