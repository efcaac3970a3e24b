"""The newest reference prices, and 26 hours of returns for the history of a pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.correlations import Returns
from models.times import seconds_of
from services.gateway.memory.table_ids import TableId, table_id
from services.gateway.records import DerivedRecord

HISTORY_S = 26 * 3_600
WITH_HISTORY = "pearson"
"""The method whose history follows from the returns of its rows."""

_FIRST_ROWS = 256
_FIRST_COINS = 16
_NONE = -1

Floats = NDArray[np.float64]


class Price(msgspec.Struct, frozen=True):
    """A coin's reference price as of a time in seconds; None where no market had one."""

    price: float | None
    quote_currency: str | None
    as_of: int
    step_s: int


class PairReturns(msgspec.Struct, frozen=True):
    """Log returns of two coins at every step `as_of` (seconds); NaN where missing."""

    as_of: NDArray[np.int64]
    first: Floats
    second: Floats
    is_rest: NDArray[np.bool_]


class _Grid:
    """Returns by step and coin: 8 bytes each, at a step's number modulo the capacity."""

    def __init__(self, table: TableId) -> None:
        self.table = table
        self.limit = HISTORY_S // table.step_s
        self.newest = self.oldest = _NONE
        self._columns: dict[str, int] = {}
        self._returns = np.full((min(_FIRST_ROWS, self.limit), _FIRST_COINS), np.nan)
        self._steps = np.full(len(self._returns), _NONE, np.int64)
        self._is_rest = np.zeros(len(self._returns), np.bool_)

    def put(self, step: int, returns: Returns) -> None:
        """Put a row; one that is older than what is held is left out."""
        if self.newest != _NONE and step <= self.newest - self.limit:
            return
        self.newest = max(self.newest, step)
        self.oldest = step if self.oldest == _NONE else min(self.oldest, step)
        self.oldest = max(self.oldest, self.newest - self.limit + 1)
        for coin in returns.coins:
            self._columns.setdefault(coin, len(self._columns))
        self._grow(self.newest - self.oldest + 1, len(self._columns))
        slot = step % len(self._steps)
        self._steps[slot] = step
        self._is_rest[slot] = returns.source == "rest"
        self._returns[slot] = np.nan
        columns = [self._columns[coin] for coin in returns.coins]
        self._returns[slot, columns] = np.array(returns.log_return, "<f8")

    def pair(self, a: str, b: str, first: int, last: int) -> PairReturns:
        """Return the returns of two coins from one step to another, both included."""
        steps = np.arange(max(first, self.oldest), min(last, self.newest) + 1)
        slots = steps % len(self._steps)
        held = self._steps[slots] == steps
        columns = [
            np.where(held, self._returns[slots, self._columns[coin]], np.nan)
            if coin in self._columns
            else np.full(len(steps), np.nan)
            for coin in (a, b)
        ]
        is_rest = held & self._is_rest[slots]
        return PairReturns(steps * self.table.step_s, columns[0], columns[1], is_rest)

    @property
    def nbytes(self) -> int:
        return self._returns.nbytes

    def _grow(self, rows: int, coins: int) -> None:
        capacity, width = self._returns.shape
        while capacity < rows:
            capacity = min(2 * capacity, self.limit)
        while width < coins:
            width *= 2
        if (capacity, width) == self._returns.shape:
            return
        held = (self._steps >= self.oldest) & (self._steps != _NONE)
        steps, before = self._steps[held], self._returns[held]
        slots = steps % capacity
        is_rest = self._is_rest[held]
        self._returns = np.full((capacity, width), np.nan)
        self._steps = np.full(capacity, _NONE, np.int64)
        self._is_rest = np.zeros(capacity, np.bool_)
        self._returns[slots, : before.shape[1]] = before
        self._steps[slots], self._is_rest[slots] = steps, is_rest


class ReturnsMemory:
    """The rows of every table."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, Returns]] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._grids: dict[str, _Grid] = {}

    def take(self, record: DerivedRecord) -> None:
        """Take a row; the last one of a step in the order of the log wins."""
        returns = cast(Returns, record.value)
        as_of = seconds_of(returns.as_of)
        table = table_id(returns.table)
        if as_of >= self._newest.get(table.name, (0, returns))[0]:
            self._newest[table.name] = as_of, returns
            self._places[table.name] = {coin: i for i, coin in enumerate(returns.coins)}
        if table.method != WITH_HISTORY:
            return
        grid = self._grids.get(table.name)
        if grid is None:
            grid = self._grids[table.name] = _Grid(table)
        grid.put(as_of // table.step_s, returns)

    def tables(self) -> Iterator[TableId]:
        """Yield the tables that have made a row."""
        for name in self._newest:
            yield table_id(name)

    def coins(self) -> set[str]:
        """Return every coin of a newest row."""
        return {coin for _, returns in self._newest.values() for coin in returns.coins}

    def price(self, coin: str) -> Price | None:
        """Return the newest reference price of a coin, None before its first row."""
        rows = [
            (self._newest[name][0], name) for name, places in self._places.items() if coin in places
        ]
        if not rows:
            return None
        as_of, name = max(rows)
        i, returns = self._places[name][coin], self._newest[name][1]
        step_s = table_id(name).step_s
        return Price(returns.price[i], returns.quote_currency[i], as_of, step_s)

    def priced(self, table: str) -> frozenset[str]:
        """Return the coins that have a price in the newest row of a table."""
        if table not in self._newest:
            return frozenset()
        returns, places = self._newest[table][1], self._places[table]
        return frozenset(c for c, i in places.items() if returns.price[i] is not None)

    def pair(self, table: str, a: str, b: str, start: int, end: int) -> PairReturns | None:
        """Return the returns of two coins with `as_of` in `[start, end)` (seconds).

        None where the table has no history.
        """
        grid = self._grids.get(table)
        if grid is None:
            return None
        step = grid.table.step_s
        return grid.pair(a, b, -(-start // step), -(-end // step) - 1)

    def complete_from(self, table: str) -> int | None:
        """Return the `as_of` of the oldest row that is held, in seconds; None without one."""
        grid = self._grids.get(table)
        return None if grid is None else grid.oldest * grid.table.step_s

    def memory_bytes(self) -> int:
        """Return how much memory the rows take."""
        return sum(grid.nbytes for grid in self._grids.values())
