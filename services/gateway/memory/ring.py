"""Numbered rows in a bounded ring, as one numpy array: no object a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST_CAPACITY = 64
_NONE = -1

Rows = NDArray[Any]
"""Rows of a structured array; its field `seq` (int64) is a row's number."""


class Ring:
    """The rows whose number is above the newest one's less `limit`.

    A row stands at its number modulo the capacity, so one that comes out of order takes its place
    as fast as the newest. The array grows with what is held, up to `limit` rows.
    """

    def __init__(self, row: np.dtype[Any], limit: int) -> None:
        """`row` has a field `seq`."""
        self.limit = limit
        self.newest = _NONE
        self._oldest = _NONE
        self._rows = _empty(row, min(_FIRST_CAPACITY, limit))

    def __len__(self) -> int:
        """Return how many rows are held."""
        return len(self.rows())

    @property
    def nbytes(self) -> int:
        """How much memory the rows take."""
        return self._rows.nbytes

    @property
    def is_full(self) -> bool:
        """Whether there may have been rows before the oldest that is held."""
        return self.newest - self._oldest + 1 >= self.limit

    @property
    def horizon(self) -> int:
        """The least number that may be held."""
        return max(self.newest - self.limit + 1, 0)

    def put(self, row: Any) -> bool:
        """Put a row at its place; return False if it is older than what is held."""
        seq = int(row["seq"])
        if self.newest != _NONE and seq < self.horizon:
            return False
        self.newest = max(self.newest, seq)
        self._oldest = seq if self._oldest == _NONE else min(self._oldest, seq)
        self._oldest = max(self._oldest, self.horizon)
        self._grow(self.newest - self._oldest + 1)
        self._rows[seq % len(self._rows)] = row
        return True

    def append(self, seq: int, row: Any) -> None:
        """Put a row with a number above the newest one's: nearly every row is such a one."""
        self.newest = seq
        oldest = seq if self._oldest == _NONE else self._oldest
        self._oldest = max(oldest, seq - self.limit + 1)
        if seq - self._oldest >= len(self._rows):
            self._grow(seq - self._oldest + 1)
        self._rows[seq % len(self._rows)] = row

    def get(self, seq: int) -> Any | None:
        """Return a row by its number, None if it is not held."""
        if seq < self.horizon or self.newest == _NONE:
            return None
        row = self._rows[seq % len(self._rows)]
        return row.copy() if row["seq"] == seq else None

    def rows(self, start: int = 0, end: int | None = None) -> Rows:
        """Return the rows with a number in `[start, end)`, in order."""
        seqs = self._rows["seq"]
        wanted = seqs >= max(start, self.horizon)
        if end is not None:
            wanted &= seqs < end
        found = self._rows[wanted]
        return found[np.argsort(found["seq"])]

    def _grow(self, needed: int) -> None:
        capacity = len(self._rows)
        while capacity < needed:
            capacity = min(2 * capacity, self.limit)
        if capacity == len(self._rows):
            return
        held = self.rows()
        self._rows = _empty(self._rows.dtype, capacity)
        self._rows[held["seq"] % capacity] = held


def _empty(row: np.dtype[Any], capacity: int) -> Rows:
    rows = np.zeros(capacity, row)
    rows["seq"] = _NONE
    return rows
