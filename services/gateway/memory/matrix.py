"""A correlation matrix put together from its blocks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.correlations import WHY, CorrelationBlock

Cells = NDArray[Any]

_CELLS = ("matrix", "n", "n_rest", "n_effective", "why")
_WARMING = WHY.index("warming")


class Matrix(msgspec.Struct, frozen=True):
    """One step of one table over N coins.

    `matrix` (NaN where undefined), `n`, `n_rest`, `n_effective` and `why` (an index into `WHY`)
    have shape (N, N), `sigma` and `ticks` (N,). `as_of` is in seconds.
    """

    table: str
    as_of: int
    coins: tuple[str, ...]
    masked: list[str]
    matrix: Cells
    n: Cells
    n_rest: Cells
    n_effective: Cells
    why: Cells
    sigma: Cells
    ticks: Cells

    @property
    def nbytes(self) -> int:
        """How much memory the cells take."""
        return sum(int(getattr(self, name).nbytes) for name in _CELLS)

    def of(self, coins: Sequence[str]) -> Matrix:
        """Return the matrix over these coins; one that the table does not have is `warming`."""
        place = {coin: i for i, coin in enumerate(self.coins)}
        there = np.array([i for i, coin in enumerate(coins) if coin in place], np.intp)
        rows = np.array([place[coin] for coin in coins if coin in place], np.intp)
        empty = {"matrix": np.nan, "why": _WARMING}
        cells: dict[str, Cells] = {}
        for name in _CELLS:
            whole = getattr(self, name)
            part = np.full((len(coins), len(coins)), empty.get(name, 0), whole.dtype)
            part[np.ix_(there, there)] = whole[np.ix_(rows, rows)]
            cells[name] = part
        for name in ("sigma", "ticks"):
            part = np.full(len(coins), np.nan)
            part[there] = getattr(self, name)[rows]
            cells[name] = part
        return Matrix(self.table, self.as_of, tuple(coins), self.masked, **cells)


def empty_matrix(table: str, coins: Sequence[str]) -> Matrix:
    """Return the matrix of a table that has made no step: every cell is `warming`."""
    counts, none = np.zeros((0, 0)), np.zeros(0)
    why = np.zeros((0, 0), np.uint8)
    return Matrix(
        table, 0, (), [], counts, counts, counts, counts, why, none, none
    ).of(coins)  # fmt: skip


def matrix_of(blocks: Collection[CorrelationBlock], as_of: int) -> Matrix | None:
    """Return the matrix of all blocks of one step, None if they do not fit together."""
    ordered = sorted(blocks, key=lambda block: block.first_row)
    first = ordered[0]
    row = 0
    for block in ordered:
        if block.first_row != row or block.coins != first.coins:
            return None
        row += block.rows
    if row != len(first.coins):
        return None
    cells = {name: np.concatenate([block.column(name) for block in ordered]) for name in _CELLS}
    return Matrix(
        table=first.table,
        as_of=as_of,
        coins=tuple(first.coins),
        masked=first.masked,
        sigma=np.frombuffer(first.sigma, "<f8"),
        ticks=np.frombuffer(first.ticks, "<f8"),
        **cells,
    )
