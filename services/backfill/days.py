"""A market's day: its minutes as columns, the longer bars merged from them, and the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agents.bars.records import bar_fields
from agents.bars.tables import TABLES
from models.archive.backfill import DAY_MINUTES, BackfilledDay, BackfillSource
from models.archive.derived_tables import DerivedRows, derived_table
from models.markets import coin_of, exchange_of
from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.statistics.bars import ABSENT, BAR_COLUMNS, ORIGINS, Columns, absent_bars, merged_bars
from models.topics import BARS

_MICROSECOND = 1_000_000
_KAFKA_COLUMNS = ["offset", "row"]


def bars_of_day(minutes: Columns, source: BackfillSource) -> dict[BarInterval, Columns]:
    """Return the bars of every interval of a day; an absent one is none.

    `minutes` has shape (1440,). Candles do not tell how much of a longer bar they cover, so there
    is one only where all of its minutes are; a capture's bar says its coverage.
    """
    bars: dict[BarInterval, Columns] = {}
    wholes: dict[BarInterval, NDArray[Any]] = {"1m": minutes["origin"] != ABSENT}
    for interval, table in TABLES.items():
        if table.of is None:
            bars[interval] = minutes
            continue
        # The bars of a day stand side by side, as markets do elsewhere.
        parts = {name: _in_parts(column, table.parts) for name, column in bars[table.of].items()}
        bars[interval] = merged_bars(parts)
        wholes[interval] = np.all(_in_parts(wholes[table.of], table.parts), axis=0)
    if source == "rest":
        for interval, whole in wholes.items():
            bars[interval] = {
                name: np.where(whole, column, BAR_COLUMNS[name][1]).astype(column.dtype)
                for name, column in bars[interval].items()
            }
    return bars


def day_table(day: BackfilledDay, minutes: Columns) -> pa.Table:
    """Return the rows of a day by `as_of` and interval, in the columns of archived bars.

    Without `offset` and `row`: they have never been in Kafka.
    """
    parts: list[DerivedRows] = []
    for interval, bars in bars_of_day(minutes, day.source).items():
        there = np.flatnonzero(bars["origin"] != ABSENT)
        chosen = {name: column[there] for name, column in bars.items()}
        parts.append(_rows(day, interval, there, chosen))
    table = derived_table(BARS.name, parts).drop_columns(_KAFKA_COLUMNS)
    return table.sort_by([("as_of", "ascending"), ("start", "descending")])


def minutes_of(table: pa.Table, day: int) -> Columns:
    """Return the minutes of a day's table; shape (1440,), absent where there is none."""
    table = table.filter(pc.equal(table["interval"], "1m"))
    starts = table["start"].cast(pa.int64()).to_numpy() // (_MICROSECOND * 60)
    places = starts - day * DAY_MINUTES
    minutes = absent_bars(DAY_MINUTES)
    for name, (kind, empty) in BAR_COLUMNS.items():
        if name in ("origin", "reason"):
            continue
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        filled = pc.fill_null(column, pa.scalar(empty).cast(column.type))
        minutes[name][places] = filled.to_numpy().astype(kind)
    minutes["origin"][places] = [ORIGINS[source] for source in table["source"].to_pylist()]
    return minutes


def _in_parts(column: NDArray[Any], parts: int) -> NDArray[Any]:
    """Return a column as columns of shape (parts, bars)."""
    return column.reshape(-1, parts).T


def _rows(
    day: BackfilledDay, interval: BarInterval, there: NDArray[np.int64], bars: Columns
) -> DerivedRows:
    count, length = len(there), INTERVAL_SECONDS[interval]
    begin = day.day * DAY_MINUTES * 60
    starts = [(begin + place * length) * _MICROSECOND for place in there.tolist()]
    fields = bar_fields([day.market] * count, bars)
    fields["reasons"] = [list(reasons.items()) for reasons in fields["reasons"]]
    values: dict[str, list[Any]] = {
        "market": [day.market] * count,
        "coin": [coin_of(day.market)] * count,
        "quote_currency": [day.market.rpartition("-")[2]] * count,
        "exchange": [exchange_of(day.market)] * count,
        "interval": [interval] * count,
        "start": starts,
        "as_of": [start + length * _MICROSECOND for start in starts],
        **fields,
    }
    return DerivedRows(-1, count, 0, values)
