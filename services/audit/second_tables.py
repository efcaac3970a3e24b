"""Hayashi-Yoshida's tables from the raw ticks: the prices of every second of their windows."""

from __future__ import annotations

import numpy as np

from models.topics import RETURNS
from services.audit.correlations import Cells
from services.audit.following import Following
from services.audit.hayashi_yoshida import cells_of_prices
from services.audit.pieces import SECOND, Flags
from services.audit.second_mids import SecondMids
from services.audit.snapshot import Snapshot
from services.audit.table_steps import TableSteps
from services.audit.tables import TableShape


class SecondTable:
    """One table: which sources its steps were made of, and its matrices."""

    def __init__(self, table: TableShape, mids: SecondMids) -> None:
        """Take the mids of the table's coins."""
        self._table = table
        self._mids = mids
        self._following = Following()
        self._without: dict[int, frozenset[str]] = {}
        self._wrong: dict[int, set[str]] = {}

    def take(self, steps: TableSteps) -> None:
        """Take the new steps: what their published prices say of the sources behind them."""
        for at in sorted(steps.new):
            step = steps.new[at]
            masked = {each for each in str(step["masked"].iloc[0]).split(",") if each}
            self._following.sources |= masked
            given = self._mids.given(at, set(step.index), masked)
            explained = self._following.take(step, given)
            self._without[at] = frozenset(masked | explained.left_out)
            self._wrong[at] = explained.wrong
        oldest = min(steps.times.tolist(), default=0)
        for old in [at for at in self._without if at < oldest]:
            del self._without[old], self._wrong[old]

    def cells(self, at: int, coins: list[str], steps: TableSteps) -> tuple[Cells, Flags]:
        """Return the cells of a matrix, and which pairs follow from ticks that are held.

        Not so where, at the end of a step, they do not give the price that was published.
        """
        table = self._table
        seconds = np.arange(at - table.window, at + SECOND, SECOND, dtype=np.int64)
        of_step = -(-seconds // table.step) * table.step
        without = {
            second: self._without[step]
            for second, step in zip(seconds.tolist(), of_step.tolist(), strict=True)
            if step in self._without
        }
        prices = self._mids.prices(seconds, coins, without)
        # The second before the window tells whether the currency changed with the first one.
        window, belongs = steps.window(at, coins, at - table.window - SECOND)
        held = window.index.to_numpy(np.int64)
        place = np.minimum(np.searchsorted(held, of_step), len(held) - 1)
        mine = belongs[place] & (held[place] == of_step)[:, None]
        wrong = np.array(
            [[coin in self._wrong.get(step, ()) for coin in coins] for step in of_step.tolist()]
        )
        known = (~mine | (prices.known & ~wrong)).all(axis=0)
        price = np.where(mine, prices.price, np.nan)
        return cells_of_prices(price, prices.currency), known[:, None] & known


def coins_by_table(archive: Snapshot, partition: int, start: int, end: int) -> dict[str, set[str]]:
    """Return by table the coins of its steps in `[start, end)`."""
    coins: dict[str, set[str]] = {}
    for entry in archive.of_partition(RETURNS.name, partition, start, end):
        rows = archive.table(entry, RETURNS.name, ["table", "coin"])
        if rows is not None:
            for pair in rows.group_by(["table", "coin"]).aggregate([]).to_pylist():
                coins.setdefault(pair["table"], set()).add(pair["coin"])
    return coins
