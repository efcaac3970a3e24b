"""The rows of one table in memory: a ring of rows, a column a coin."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.correlation.prices import NO_CURRENCY
from agents.correlation.rest import RestLine
from agents.correlation.tables import TableDefinition

_FIRST_WIDTH = 16


class Window(msgspec.Struct, frozen=True):
    """The rows of a window, oldest first, and its coins by name.

    `log_price`, `currency` and `is_rest` begin one sampling interval before the window, for its
    first returns; a row that is not there has no price. `quotes_a_second` is NaN for a coin
    without a live row.
    """

    coins: list[str]
    row: NDArray[np.int64]
    log_price: NDArray[np.float64]
    currency: NDArray[np.int8]
    is_rest: NDArray[np.bool_]
    first_row: NDArray[np.int64]
    quotes_a_second: NDArray[np.float64]


class RowRing:
    """Log prices by row and coin. Coins join with an empty column, which is reused when they leave.

    Rows are numbered by their time ÷ the time between two of them, steps by theirs ÷ the step.
    """

    def __init__(self, definition: TableDefinition) -> None:
        """Hold no row and no coin."""
        self._definition = definition
        self._lines = definition.step_s // definition.row_s
        rows = definition.slots * self._lines
        self._row = np.full(rows, -1, np.int64)
        self._is_rest = np.zeros(rows, np.bool_)
        self._log_price = np.full((rows, _FIRST_WIDTH), np.nan)
        self._currency = np.full((rows, _FIRST_WIDTH), NO_CURRENCY, np.int8)
        self._step = np.full(definition.slots, -1, np.int64)
        self._quotes = np.zeros((definition.slots, _FIRST_WIDTH), np.int64)
        self._joined = np.zeros(_FIRST_WIDTH, np.int64)
        self._first_row = np.zeros(_FIRST_WIDTH, np.int64)
        self._last_priced = np.full(_FIRST_WIDTH, -1, np.int64)
        self._columns: dict[str, int] = {}
        self._free: list[int] = list(range(_FIRST_WIDTH))

    @property
    def coins(self) -> list[str]:
        """Return the coins that have a column, by name."""
        return sorted(self._columns)

    def joined(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the steps in which these coins joined."""
        return self._joined[self._of(coins)]

    def first_row(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the first rows of these coins, those from candles included."""
        return self._first_row[self._of(coins)]

    def join(self, coin: str, step: int, first_row: int) -> None:
        """Give a coin an empty column."""
        if not self._free:
            self._widen()
        column = self._columns[coin] = self._free.pop(0)
        self._joined[column] = step
        self._first_row[column] = first_row
        self._last_priced[column] = -1

    def unpriced(self, step: int) -> list[str]:
        """Return the coins without any price in the window that ends with a step."""
        begin = step * self._lines - self._definition.rows
        return [coin for coin in self.coins if self._last_priced[self._columns[coin]] <= begin]

    def leave(self, coin: str) -> None:
        """Forget a coin."""
        column = self._columns.pop(coin)
        self._log_price[:, column] = np.nan
        self._currency[:, column] = NO_CURRENCY
        self._quotes[:, column] = 0
        self._free.append(column)

    def put(
        self,
        step: int,
        coins: Sequence[str],
        price: NDArray[np.float64],
        currency: NDArray[np.int8],
        quotes: NDArray[np.int64],
    ) -> None:
        """Put the live rows of one step: `price` and `currency` of shape (rows, coins)."""
        columns = self._of(coins)
        rows = step * self._lines + np.arange(1 - self._lines, 1)
        slots = rows % len(self._row)
        self._row[slots] = rows
        self._is_rest[slots] = False
        self._log_price[slots] = np.nan
        self._currency[slots] = NO_CURRENCY
        place = np.ix_(slots, columns)
        self._log_price[place] = np.log(price)
        self._currency[place] = currency
        for line, row in enumerate(rows.tolist()):
            self._last_priced[columns[np.isfinite(price[line])]] = row
        slot = step % len(self._step)
        self._step[slot] = step
        self._quotes[slot] = 0
        self._quotes[slot, columns] = quotes

    def put_rest(self, coin: str, end: NDArray[np.int64], line: RestLine, newest_row: int) -> None:
        """Put what candles say about a coin into the rows that are still in the ring."""
        rows = end // self._definition.row_s
        kept = rows > newest_row - len(self._row)
        column = self._columns[coin]
        slots = rows[kept] % len(self._row)
        new = slots[self._row[slots] != rows[kept]]
        self._row[slots] = rows[kept]
        self._is_rest[slots] = True
        self._log_price[new] = np.nan
        self._currency[new] = NO_CURRENCY
        self._log_price[slots, column] = np.log(line.price[kept])
        self._currency[slots, column] = line.currency[kept]
        priced = rows[np.isfinite(line.price)]
        if len(priced):
            self._first_row[column] = min(self._first_row[column], priced[0])
            self._last_priced[column] = max(self._last_priced[column], priced[-1])

    def window(self, step: int) -> Window:
        """Return the window that ends with a step."""
        definition = self._definition
        newest = step * self._lines
        row = np.arange(newest - definition.rows - definition.lag + 1, newest + 1)
        slots = row % len(self._row)
        there = self._row[slots] == row
        coins = self.coins
        columns = self._of(coins)
        log_price = self._log_price[np.ix_(slots, columns)]
        log_price[~there] = np.nan
        currency = self._currency[np.ix_(slots, columns)]
        currency[~there] = NO_CURRENCY
        steps = np.arange(step - definition.rows // self._lines + 1, step + 1)
        step_slots = steps % len(self._step)
        counted = steps[self._step[step_slots] == steps]
        quotes = self._quotes[np.ix_(counted % len(self._step), columns)].sum(axis=0)
        seen = len(counted) - np.searchsorted(counted, self._joined[columns])
        with np.errstate(invalid="ignore", divide="ignore"):
            quotes_a_second = quotes / (seen * float(definition.step_s))
        return Window(
            coins,
            row,
            log_price,
            currency,
            self._is_rest[slots] & there,
            self._first_row[columns],
            quotes_a_second,
        )

    def _of(self, coins: Sequence[str]) -> NDArray[np.intp]:
        return np.fromiter((self._columns[coin] for coin in coins), np.intp, len(coins))

    def _widen(self) -> None:
        width = self._log_price.shape[1]
        rows = ((0, 0), (0, width))
        self._log_price = np.pad(self._log_price, rows, constant_values=np.nan)
        self._currency = np.pad(self._currency, rows, constant_values=NO_CURRENCY)
        self._quotes = np.pad(self._quotes, rows)
        self._joined = np.pad(self._joined, (0, width))
        self._first_row = np.pad(self._first_row, (0, width))
        self._last_priced = np.pad(self._last_priced, (0, width), constant_values=-1)
        self._free.extend(range(width, 2 * width))
