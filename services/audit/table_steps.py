"""The archived steps of a correlation table, as its matrices rest on them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.topics import RETURNS
from services.audit.derived_rows import derived_rows
from services.audit.pieces import Flags, Times
from services.audit.snapshot import Snapshot
from services.audit.tables import TableShape

_COLUMNS = ("table", "coin", "log_return", "price", "venues", "masked")


class TableSteps:
    """The live steps of one table, from a window before the first slice on."""

    def __init__(self, archive: Snapshot, table: TableShape, partition: int, start: int) -> None:
        """Hold nothing yet; `start` is where the first slice begins."""
        self._archive = archive
        self._table = table
        self._partition = partition
        self._read_to = start - table.window - table.step
        self._returns = self._there = pd.DataFrame(index=np.zeros(0, np.int64))
        self.new: dict[int, pd.DataFrame] = {}

    def advance(self, until: int) -> None:
        """Read up to `until`; `new` are the steps that came to it, by time, a row a coin."""
        table = self._table
        equal = {"table": table.name, "source": "live"}
        read = derived_rows(
            self._archive, RETURNS.name, self._partition, self._read_to, until, _COLUMNS, equal
        )
        rows = read.once.drop_duplicates(["as_of", "coin"])
        self.new = {int(str(at)): each.set_index("coin") for at, each in rows.groupby("as_of")}
        # A matrix within the next slice reaches back a window.
        oldest = self._read_to - table.window - table.step
        rows = rows.assign(there=1.0)
        self._returns = _joined(self._returns, rows, "log_return", oldest)
        self._there = _joined(self._there, rows, "there", oldest)
        self._read_to = until

    @property
    def times(self) -> Times:
        """Return the steps that are held."""
        at: Times = self._there.index.to_numpy(np.int64)
        return at

    def coins(self, at: int) -> list[str]:
        """Return the coins of a step by name; none where there is no such step."""
        if at not in self._there.index:
            return []
        there: pd.DataFrame = self._there.loc[[at]].dropna(axis="columns")
        return sorted(map(str, there.columns))

    def window(self, at: int, coins: list[str], since: int) -> tuple[pd.DataFrame, Flags]:
        """Return the returns of `(since, at]`, a row a step, a column a coin, and who was in it.

        What a coin was before it left and joined again is none of it.
        """
        within = (self.times > since) & (self.times <= at)
        there = self._there[within].reindex(columns=coins).notna().to_numpy()
        # From the end on as long as it is there in every step.
        belongs: Flags = np.logical_and.accumulate(there[::-1], axis=0)[::-1]
        returns = self._returns[within].reindex(columns=coins).astype(np.float64)
        return returns.where(belongs), belongs


def _joined(held: pd.DataFrame, rows: pd.DataFrame, name: str, since: int) -> pd.DataFrame:
    """Return what is held later than `since`, and new rows: a line a step, a column a coin."""
    if not len(rows):
        return held
    both = pd.concat([held, rows.pivot(index="as_of", columns="coin", values=name)])
    return both[both.index.to_numpy(np.int64) > since]
