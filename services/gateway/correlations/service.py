"""Which table and which coins a request means, and the history of a pair."""

from __future__ import annotations

import numpy as np

from models.records.correlations import WHY
from services.gateway.items import Figures
from services.gateway.memory.correlations import EVERY_COIN
from services.gateway.memory.matrix import Matrix, empty_matrix
from services.gateway.memory.memory import Memory
from services.gateway.memory.table_ids import TableId, resolved
from services.gateway.problems import UnknownThingError

_CANDLE_S = 60
_THIN, _WARMING = WHY.index("thin"), WHY.index("warming")


def chosen_table(memory: Memory, window: str, sampling: str | None, method: str) -> TableId:
    """Return the table that is meant.

    Raises:
        UnknownThingError: there is none.
    """
    key = ".".join(part for part in (window, sampling, method) if part is not None)
    table = resolved(key, memory.tables())
    if table is None:
        known = ", ".join(each.name for each in memory.tables()) or "none yet"
        raise UnknownThingError("unknown_table", f"expected a table out of {known}, was {key}")
    return table


def newest_matrix(memory: Memory, table: TableId) -> Matrix:
    """Return the newest matrix of a table; before the first one nothing but `warming`."""
    return memory.correlations.matrix(table.name) or empty_matrix(table.name, ())


def chosen_coins(memory: Memory, matrix: Matrix, coins: str | None) -> tuple[str, ...]:
    """Return the coins that are meant: those listed, `*` for all, else the usual ones.

    Raises:
        UnknownThingError: one of them is unknown.
    """
    if coins is None:
        return memory.usual_coins(matrix)
    if coins == EVERY_COIN:
        return memory.every_coin(matrix)
    listed = tuple(dict.fromkeys(coins.split(",")))
    for coin in listed:
        expect_coin(memory, coin)
    return listed


def expect_coin(memory: Memory, coin: str) -> None:
    """Refuse a coin that is not known.

    Raises:
        UnknownThingError: it is not.
    """
    if coin not in memory.all_coins():
        raise UnknownThingError("unknown_coin", f"expected a coin, was {coin!r}")


def returns_of(memory: Memory, table: TableId, as_of: int, pair: tuple[str, str]) -> Figures:
    """Return `returns`, the rows of the window up to `as_of` in which both coins have one.

    Nothing for methods that are not about the returns of rows.
    """
    found = memory.returns.pair(table.name, *pair, as_of - table.window_s + 1, as_of + 1)
    if found is None:
        return {}
    both = np.column_stack([found.first, found.second])
    return {"returns": both[~np.isnan(both).any(axis=1)].tolist()}
