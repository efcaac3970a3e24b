"""Tables of ticks and unseen intervals as frames, for the audit and for explanations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from models.archive.tick_tables import Kind
from models.records.bursts import EVERY_MARKET, TickFlag

# Of prices as decimals: exact, and wide enough for whatever a float64 can be.
_DECIMAL = pa.decimal256(70, 40)
COLUMNS: dict[Kind, tuple[str, ...]] = {
    "quotes": ("market", "time", "bid", "bid_size", "ask", "ask_size", "flags", "offset", "row"),
    "trades": ("market", "time", "price", "size", "side", "flags", "offset", "row"),
}
_MADE: dict[Kind, tuple[str, ...]] = {"quotes": ("spread", "mid"), "trades": ()}
UNSEEN = ("market", "start", "end", "reason", "offset", "row")
_TIMES = ("time", "start", "end")


def tick_frame(kind: Kind, tables: Sequence[pa.Table]) -> pd.DataFrame:
    """Return ticks in event-time order, equal times in the order of the log.

    Quotes get `spread` and `mid`: difference and middle of the two prices as decimals, which is
    free of what float64 subtraction leaves over.
    """
    parts = [_numbers(table.select(COLUMNS[kind] + _texts(kind))) for table in tables]
    if kind == "quotes":
        parts = [_with_spread(part) for part in parts]
    frame = _frame(parts, COLUMNS[kind] + _MADE[kind])
    return frame.sort_values(["time", "offset", "row"], ignore_index=True)


def unseen_frame(tables: Sequence[pa.Table]) -> pd.DataFrame:
    """Return unseen intervals in the order of the log."""
    frame = _frame([_numbers(table.select(UNSEEN)) for table in tables], UNSEEN)
    return frame.sort_values(["offset", "row"], ignore_index=True)


def of_market(unseen: pd.DataFrame, market: str) -> pd.DataFrame:
    """Return the unseen intervals of a market, and those of every market."""
    return unseen[(unseen["market"] == market) | (unseen["market"] == EVERY_MARKET)]


def is_on_time(flags: pd.Series[int]) -> pd.Series[bool]:
    """Return which ticks are not late."""
    return (flags & TickFlag.LATE.value) == 0


def _texts(kind: Kind) -> tuple[str, ...]:
    return ("bid_text", "ask_text") if kind == "quotes" else ()


def _numbers(table: pa.Table) -> pa.Table:
    for place, name in enumerate(table.column_names):
        if name in _TIMES:
            table = table.set_column(place, name, pc.cast(table[name], pa.int64()))
    return table


def _with_spread(table: pa.Table) -> pa.Table:
    bid, ask = (pc.cast(table[f"{side}_text"], _DECIMAL) for side in ("bid", "ask"))
    spread = pc.cast(pc.subtract(ask, bid), pa.float64())
    mid = pc.divide(pc.cast(pc.add(ask, bid), pa.float64()), 2.0)
    return (
        table.append_column("spread", spread)
        .append_column("mid", mid)
        .drop_columns(["bid_text", "ask_text"])
    )


def _frame(tables: Sequence[pa.Table], columns: Sequence[str]) -> pd.DataFrame:
    filled = [table for table in tables if table.num_rows]
    if not filled:
        return pd.DataFrame({name: np.zeros(0, np.int64) for name in columns})
    frame: pd.DataFrame = pa.concat_tables(filled).select(list(columns)).to_pandas()
    return frame
