"""Ticks to the published rows and to the closes of section 8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.oracle.figures import Figures, figures_of
from tests.oracle.markets import market_of
from tests.oracle.ticks import ticks_of
from tests.oracle.wire import SECOND

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from tests.oracle.clocks import Source
    from tests.oracle.ticks import Ticks

Row = dict[str, Any]
Close = dict[str, tuple[float | None, int]]
"""By market its mid and the number of good quotes of the second."""
Closes = dict[tuple[str, int, str], Close]
"""By exchange, partition and `as_of`."""

FOR_EVER = 2**62
REMEMBERED = 31 * 60
"""Seconds after a source's last row in which it still has empty closes."""


def iso(second: int) -> str:
    """Return a second as `2026-10-03T20:58:31Z`."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def figures_by_market(
    quotes: pd.DataFrame,
    unseen: pd.DataFrame,
    final: dict[Source, int],
    trades: pd.DataFrame | None = None,
) -> Iterator[tuple[Source, Figures]]:
    """Yield the source and the figures of every market that had a quote, by market."""
    for name, own in quotes.groupby("market"):
        source = str(name).partition(":")[0], int(own["partition"].iloc[0])
        traded = None if trades is None else trades[trades["market"] == name]
        market = market_of(str(name), own, unseen, traded)
        if market.first < final[source]:
            yield source, figures_of(market, final[source])


def figures_of_ticks(ticks: Ticks) -> Iterator[tuple[Source, Figures]]:
    """Yield the source and the figures of every market, one after the other."""
    return figures_by_market(ticks.quotes, ticks.unseen, ticks.final, ticks.trades)


def rows_in(figures: Figures, start: int = 0, end: int = FOR_EVER) -> Iterator[Row]:
    """Yield the rows of the seconds in `[start, end)`, in time order, as they are published."""
    inside = slice(*np.searchsorted(figures.seconds, (start, end)).tolist())
    columns = [_column(figures, path, inside) for path in figures.values]
    reasons = [part[inside].tolist() for part in figures.reasons.values()]
    seconds = figures.seconds[inside].tolist()
    for place, second in enumerate(seconds):
        row: Row = {"market": figures.market, "as_of": iso(second)}
        for path, column in zip(figures.values, columns, strict=True):
            part = row
            *folders, name = path.split(".")
            for folder in folders:
                part = part.setdefault(folder, {})
            part[name] = column[place]
        row["reasons"] = {
            path: column[place]
            for path, column in zip(figures.reasons, reasons, strict=True)
            if column[place]
        }
        yield row


def _column(figures: Figures, path: str, inside: slice) -> list[Any]:
    values: list[Any] = figures.values[path][inside].tolist()
    reasons = figures.reasons.get(path)
    if reasons is None:
        return values
    pairs = zip(values, reasons[inside].tolist(), strict=True)
    return [None if reason else value for value, reason in pairs]


def rows_of(
    quotes: pd.DataFrame,
    unseen: pd.DataFrame,
    final: dict[Source, int],
    trades: pd.DataFrame | None = None,
) -> list[Row]:
    """Return every row of every market that had a quote, by market and then by time.

    `unseen` is of quotes and trades; without `trades` there were none.
    """
    found = figures_by_market(quotes, unseen, final, trades)
    return [row for _, figures in found for row in rows_in(figures)]


def rows_of_ticks(ticks: Ticks) -> list[Row]:
    """Return every row that follows from `ticks`."""
    return [row for _, figures in figures_of_ticks(ticks) for row in rows_in(figures)]


def oracle_rows(paths: Iterable[Path], partitions: int = 8) -> list[Row]:
    """Return the rows that a replay of these captures has to publish."""
    return rows_of_ticks(ticks_of(paths, partitions))


def closes_of(found: Iterable[tuple[Source, Figures]], final: dict[Source, int]) -> Closes:
    """Return the closes of every source up to its last clock.

    From its first row on every second has one, empty without a row, until the last row is more
    than 31 minutes old.
    """
    by_source: dict[Source, dict[int, Close]] = {}
    for source, figures in found:
        seconds = by_source.setdefault(source, {})
        mids = _column(figures, "mid", slice(None))
        counts = figures.n_of_second.tolist()
        for second, mid, n in zip(figures.seconds.tolist(), mids, counts, strict=True):
            seconds.setdefault(second, {})[figures.market] = mid, n
    closes: Closes = {}
    for source, seconds in by_source.items():
        last_row = -FOR_EVER
        for second in range(min(seconds, default=0), final[source] // SECOND + 1):
            last_row = second if second in seconds else last_row
            if second - last_row <= REMEMBERED:
                closes[*source, iso(second)] = seconds.get(second, {})
    return closes
