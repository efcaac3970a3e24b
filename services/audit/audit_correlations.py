"""The audit of `correlations`: archived matrices, from the archived `returns` of their windows.

Those of Hayashi and Yoshida's method follow from prices of every second, which `returns` do not
hold: they are made from the raw quotes, of the coins and sources that `returns` name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.archive.correlation_cells import EVERY_S
from models.topics import CORRELATIONS, RETURNS
from services.audit.correlations import Cells, cells
from services.audit.derived_rows import derived_rows, times
from services.audit.found import TopicFound, compare
from services.audit.pieces import SECOND, Flags, Times
from services.audit.second_mids import SecondMids
from services.audit.second_tables import SecondTable, coins_by_table
from services.audit.snapshot import Snapshot
from services.audit.table_steps import TableSteps
from services.audit.tables import BY_SECOND, STEP, TableShape, table_shape

_COLUMNS = ("table", "coin_a", "coin_b", "correlation", "n", "n_rest", "n_effective")
EVERY = EVERY_S * SECOND
_FIGURES = ("correlation", "n", "n_effective")


class _Table:
    """One table: the steps that its matrices rest on, and which of them still lack a matrix."""

    def __init__(self, shape: TableShape, steps: TableSteps, seconds: SecondTable | None) -> None:
        self.shape = shape
        self.steps = steps
        self._seconds = seconds
        self._open: list[int] = []

    def advance(self, since: int, until: int) -> None:
        """Read steps up to `until`; from `since` on each is to have a matrix."""
        self.steps.advance(until)
        self._open += [at for at in sorted(self.steps.new) if at % EVERY == 0 and at >= since]
        if self._seconds is not None:
            self._seconds.take(self.steps)

    def passed(self, at: int) -> list[int]:
        """Return the steps before a published matrix that have none."""
        passed = [each for each in self._open if each < at]
        self._open = [each for each in self._open if each > at]
        return passed

    def cells(self, at: int, coins: list[str]) -> tuple[Cells, Flags]:
        """Return the cells of a matrix, and which pairs follow from what the archive holds."""
        if self._seconds is not None:
            return self._seconds.cells(at, coins, self.steps)
        returns, _ = self.steps.window(at, coins, at - self.shape.window)
        return cells(self.shape, at, returns), np.ones((len(coins), len(coins)), np.bool_)


class CorrelationsAudit:
    """The audit of a partition of the topic; slices are taken in their order."""

    def __init__(
        self,
        archive: Snapshot,
        partition: int,
        sources: Sequence[tuple[str, int]],
        currencies: Sequence[str],
        span: tuple[int, int],
    ) -> None:
        """Audit rows in `span`, ns; `currencies` are the reference currencies."""
        self._archive = archive
        self._partition = partition
        self._start, end = span
        self._returns_to = archive.ends(RETURNS.name, partition)
        self._ends = archive.ends(CORRELATIONS.name, partition)
        coins = coins_by_table(archive, partition, self._start, end)
        shapes = [shape for shape in map(table_shape, coins) if shape is not None]
        by_second = [shape for shape in shapes if shape.method == BY_SECOND]
        self._reach = STEP + max((shape.window for shape in by_second), default=0)
        self._mids: SecondMids | None = None
        if by_second:
            wanted = set().union(*(coins[shape.name] for shape in by_second))
            start = self._start - self._reach
            self._mids = SecondMids(archive, sources, currencies, wanted, start)
        self._tables = {shape.name: self._table(shape) for shape in shapes}

    def _table(self, shape: TableShape) -> _Table:
        steps = TableSteps(self._archive, shape, self._partition, self._start)
        if self._mids is None or shape.method != BY_SECOND:
            return _Table(shape, steps, None)
        return _Table(shape, steps, SecondTable(shape, self._mids))

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        if self._mids is not None:
            self._mids.advance(begin - self._reach, until)
        held_from = 0
        if not self._archive.is_whole(CORRELATIONS.name, self._partition):
            held_from = self._archive.begins(CORRELATIONS.name, self._partition) or until
        for table in self._tables.values():
            table.advance(max(begin, held_from), until)
        # Of a thousand coins a matrix has half a million rows: few are held at a time.
        for since in range(begin, until, EVERY):
            self._take_rows(since, min(until, since + EVERY), found)

    def _take_rows(self, begin: int, until: int, found: TopicFound) -> None:
        topic, partition = CORRELATIONS.name, self._partition
        rows = derived_rows(self._archive, topic, partition, begin, until, _COLUMNS, {})
        series = ("table", "coin_a", "coin_b")
        rows.tell_copies(found, series, lambda row: _pair(*(row[column] for column in series)))
        for (at, name), matrix in rows.once.groupby(["as_of", "table"]):
            self._take_matrix(self._tables.get(str(name)), int(str(at)), matrix, found)

    def _take_matrix(
        self, table: _Table | None, at: int, matrix: pd.DataFrame, found: TopicFound
    ) -> None:
        begins = self._archive.begins(RETURNS.name, self._partition)
        if at > self._returns_to or begins is None or begins > at:
            found.pass_over("of a time of which no returns are archived", len(matrix))
            return
        coins = [] if table is None else table.steps.coins(at)
        number = {coin: place for place, coin in enumerate(coins)}
        place_a = np.array([number.get(coin, -1) for coin in matrix["coin_a"]], np.int64)
        place_b = np.array([number.get(coin, -1) for coin in matrix["coin_b"]], np.int64)
        # Every pair of the coins of its step, on and above the diagonal.
        is_pair = (place_a >= 0) & (place_b >= place_a)
        found.extra.take(_pairs(matrix[~is_pair]), times(matrix[~is_pair]))
        if table is None or not is_pair.any():
            return
        found.missing.take(table.shape.name, np.array(table.passed(at), np.int64))
        matrix, place = matrix[is_pair], (place_a[is_pair], place_b[is_pair])
        self._tell_missing(table.shape.name, at, coins, place, found)
        expected, known_pairs = table.cells(at, coins)
        reaches_back = self._reaches_back(table.shape, at)
        from_candles = (matrix["n_rest"] > 0).to_numpy()
        found.pass_over("made from candles", int(np.count_nonzero(from_candles)))
        unknown = ~from_candles & ~(known_pairs[place] & reaches_back)
        why = "the ticks of its window are not all held" if reaches_back else "returns begin later"
        found.pass_over(why, int(np.count_nonzero(unknown)))
        kept = ~from_candles & ~unknown
        if kept.any():
            matrix, place = matrix[kept], (place[0][kept], place[1][kept])
            columns = {figure: matrix[figure].to_numpy(np.float64) for figure in _FIGURES}
            wanted = {figure: expected[figure][place] for figure in _FIGURES}
            compare(found, _pairs(matrix), times(matrix), columns, wanted)

    def _tell_missing(
        self, name: str, at: int, coins: list[str], place: tuple[Times, Times], found: TopicFound
    ) -> None:
        if at >= self._ends:
            return  # The last blocks may not be archived yet.
        there = np.tri(len(coins), k=-1, dtype=np.bool_)
        there[place] = True
        gone = [_pair(name, coins[a], coins[b]) for a, b in np.argwhere(~there).tolist()]
        found.missing.take(gone, np.full(len(gone), at))

    def _reaches_back(self, table: TableShape, at: int) -> bool:
        """Return whether the archive of `returns` holds the whole window, or all there was."""
        if self._archive.is_whole(RETURNS.name, self._partition):
            return True
        begins = self._archive.begins(RETURNS.name, self._partition)
        return begins is not None and begins <= at - table.window


def _pair(table: str, coin_a: str, coin_b: str) -> str:
    return f"{table} {coin_a}/{coin_b}"


def _pairs(rows: pd.DataFrame) -> list[str]:
    return list(map(_pair, rows["table"], rows["coin_a"], rows["coin_b"]))
