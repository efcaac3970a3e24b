"""The audit of `correlations`: archived matrices, from the archived `returns` of their windows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.archive.correlation_cells import EVERY_S
from models.topics import CORRELATIONS, RETURNS
from services.audit.correlations import METHODS, cells
from services.audit.derived_rows import derived_frame
from services.audit.found import TopicFound, compare
from services.audit.pieces import SECOND
from services.audit.snapshot import Snapshot
from services.audit.tables import TableShape, table_shape

_COLUMNS = ("table", "coin_a", "coin_b", "correlation", "n", "n_rest", "n_effective")
EVERY = EVERY_S * SECOND
_FIGURES = ("correlation", "n", "n_effective")


class CorrelationsAudit:
    """The audit of the whole topic; slices are taken in their order."""

    def __init__(self, archive: Snapshot) -> None:
        self._archive = archive
        self._returns: dict[str, tuple[int, pd.DataFrame]] = {}

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        partitions = sorted({name.partition for name in self._archive.names(CORRELATIONS.name)})
        for partition in partitions:
            rows = derived_frame(
                self._archive, CORRELATIONS.name, partition, begin, until, _COLUMNS, {}
            )
            for name, of_table in rows.groupby("table"):
                self._take_table(table_shape(str(name)), partition, of_table, until, found)

    def _take_table(
        self, table: TableShape, partition: int, rows: pd.DataFrame, until: int, found: TopicFound
    ) -> None:
        if table.method not in METHODS:
            found.beyond += len(rows)
            return
        returns = self._returns_of(table, partition, int(rows["as_of"].min()), until)
        steps = returns.index[returns.index % EVERY == 0]
        told = rows["as_of"]
        gone = [at for at in steps if told.min() < at < told.max() and at not in set(told)]
        found.miss(table.name, np.array(gone, np.int64))
        for at, matrix in rows.groupby("as_of"):
            self._take_matrix(table, partition, int(str(at)), matrix, returns, found)

    def _returns_of(
        self, table: TableShape, partition: int, begin: int, until: int
    ) -> pd.DataFrame:
        """Return the returns from a window before `begin` on: a row a step, a column a coin."""
        since = begin - table.window
        read_to, held = self._returns.get(table.name, (since, pd.DataFrame()))
        columns = ("table", "coin", "log_return")
        new = derived_frame(
            self._archive,
            RETURNS.name,
            partition,
            max(read_to, since),
            until,
            columns,
            {"table": table.name, "source": "live"},
        )
        pivoted = new.pivot_table(
            index="as_of", columns="coin", values="log_return", aggfunc="last", dropna=False
        )
        both = pd.concat([held, pivoted]) if len(held) else pivoted
        both = both[both.index > since]
        self._returns[table.name] = (until, both)
        return both

    def _take_matrix(
        self,
        table: TableShape,
        partition: int,
        at: int,
        matrix: pd.DataFrame,
        returns: pd.DataFrame,
        found: TopicFound,
    ) -> None:
        coins = sorted({*matrix["coin_a"], *matrix["coin_b"]})
        window = returns[(returns.index > at - table.window) & (returns.index <= at)]
        expected = cells(table, at, window.reindex(columns=coins).astype(np.float64))
        number = {coin: place for place, coin in enumerate(coins)}
        name = table.name
        # Rows made from candles are not in `returns`; and of what lies before these nothing is.
        known = (matrix["n_rest"] == 0).to_numpy()
        if not self._reaches_back(table, partition, at):
            known[:] = False
        found.beyond += int(np.count_nonzero(~known))
        matrix = matrix[known]
        whole = len(coins) * (len(coins) + 1) // 2
        if known.all() and len(matrix.drop_duplicates(["coin_a", "coin_b"])) < whole:
            found.miss(name, np.array([at]))
        if not len(matrix):
            return
        place = (
            matrix["coin_a"].map(number).to_numpy(np.int64),
            matrix["coin_b"].map(number).to_numpy(np.int64),
        )
        columns = {figure: matrix[figure].to_numpy(np.float64) for figure in _FIGURES}
        wanted = {figure: expected[figure][place] for figure in _FIGURES}
        pairs = (matrix["coin_a"] + "/" + matrix["coin_b"]).tolist()
        compare(
            found, [f"{name} {pair}" for pair in pairs], np.full(len(pairs), at), columns, wanted
        )

    def _reaches_back(self, table: TableShape, partition: int, at: int) -> bool:
        """Return whether the archive of `returns` holds the whole window, or all there was."""
        if self._archive.is_whole(RETURNS.name, partition):
            return True
        begins = self._archive.begins(RETURNS.name, partition)
        return begins is not None and begins <= at - table.window
