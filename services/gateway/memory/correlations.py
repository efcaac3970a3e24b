"""The newest matrix of every table, and those of the last 15 minutes to resume from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import msgspec

from models.records.correlations import CorrelationBlock
from models.statistics.correlation import average, change
from models.times import seconds_of
from services.gateway.items import Figures, Format, Item, encoded_by_row
from services.gateway.memory.matrix import Cells, Matrix, matrix_of
from services.gateway.memory.table_ids import TableId, longer_than, resolved, table_id
from services.gateway.records import DerivedRecord

HISTORY_S = 900
HISTORY_BYTES = 32 * 1024 * 1024
"""How much of a table is kept to resume from: a matrix of a thousand coins has 25 MB."""

_MOST_PENDING = 3
SECOND = 1_000_000_000

Coins = tuple[str, ...] | None
Render = Callable[[Matrix, Coins], Callable[[], Figures]]
"""Given a matrix and coins (None: the usual ones): what makes the figures, in any thread."""

EVERY_COIN = "*"
MANY_COINS = 100
"""Coins above which a matrix is put together beside the event loop."""


class _Kept(msgspec.Struct, frozen=True):
    matrix: Matrix
    seq: int
    prev_seq: int | None
    ts_publish: int


class _Table:
    def __init__(self, table: TableId) -> None:
        self.id = table
        self.pending: dict[int, dict[int, CorrelationBlock]] = {}
        self.kept: deque[_Kept] = deque()
        self.averages: deque[tuple[int, float]] = deque()


class Correlations:
    """Matrices; `seq` is `as_of` ÷ step. One is published when all of its blocks are there."""

    def __init__(self, render: Render, declared: Iterable[TableId] = ()) -> None:
        """`declared` are tables that are known before their first record."""
        self._render = render
        self._declared = tuple(declared)
        self._tables: dict[str, _Table] = {}
        self.repeated = 0
        self.incoherent = 0

    def take(self, record: DerivedRecord) -> list[Item]:
        """Take a block; return the matrix that it completes, under both names of its table."""
        block = cast(CorrelationBlock, record.value)
        as_of = seconds_of(block.as_of)
        table = self._tables.get(block.table)
        if table is None:
            table = self._tables[block.table] = _Table(table_id(block.table))
        if table.kept and as_of <= table.kept[-1].matrix.as_of:
            self.repeated += 1
            return []
        blocks = table.pending.setdefault(as_of, {})
        blocks[block.block] = block
        if len(blocks) < block.blocks:
            while len(table.pending) > _MOST_PENDING:
                del table.pending[min(table.pending)]
            return []
        matrix = matrix_of(blocks.values(), as_of)
        table.pending = {time: rest for time, rest in table.pending.items() if time > as_of}
        if matrix is None:
            self.incoherent += 1
            return []
        self._keep(table, matrix, record.place.timestamp)
        return self._items(table, table.kept[-1])

    def tables(self) -> list[TableId]:
        """Return the tables that are declared or have a matrix, by window."""
        return sorted({*self._declared, *(each.id for each in self._tables.values() if each.kept)})

    def markets(self) -> Iterator[str]:
        """Yield the keys that have a value: whole ids."""
        for table in self.tables():
            if self.matrix(table.name) is not None:
                yield table.name

    def coins(self) -> set[str]:
        """Return every coin of a newest matrix."""
        return {
            coin
            for table in self._tables.values()
            if table.kept
            for coin in table.kept[-1].matrix.coins
        }

    def matrix(self, name: str) -> Matrix | None:
        """Return the newest matrix of a table, None if there is none."""
        table = self._tables.get(name)
        return table.kept[-1].matrix if table is not None and table.kept else None

    def matrices(self, name: str) -> list[Matrix]:
        """Return the matrices of a table that are kept, oldest first."""
        table = self._tables.get(name)
        return [] if table is None else [kept.matrix for kept in table.kept]

    def longer(self, matrix: Matrix) -> Matrix | None:
        """Return the newest step before this one of the table with the next longer window."""
        longer = longer_than(table_id(matrix.table), self.tables())
        if longer is None:
            return None
        kept = reversed(self.matrices(longer.name))
        return next((each for each in kept if each.as_of < matrix.as_of), None)

    def averages(self, name: str) -> list[tuple[int, float]]:
        """Return, of the steps of the last window, the mean of the pairs' z against the longer."""
        table = self._tables.get(name)
        return [] if table is None else list(table.averages)

    def newest(self, key: str) -> Item | None:
        """Return the newest matrix of a table by either of its ids, None if there is none."""
        table = self._named(key)
        return None if table is None else self._item(table, table.kept[-1], key)

    def missed(self, key: str, seq: int) -> list[Item] | None:
        """Return the matrices after `seq`, None where it is too long ago."""
        table = self._named(key)
        if table is None or table.kept[0].seq > seq:
            return None
        return [self._item(table, kept, key) for kept in table.kept if kept.seq > seq]

    def _named(self, key: str) -> _Table | None:
        found = resolved(key, self.tables())
        table = None if found is None else self._tables.get(found.name)
        return table if table is not None and table.kept else None

    def _keep(self, table: _Table, matrix: Matrix, published: int) -> None:
        kept = table.kept
        prev_seq = kept[-1].seq if kept else None
        kept.append(_Kept(matrix, matrix.as_of // table.id.step_s, prev_seq, published))
        held = sum(each.matrix.nbytes for each in kept)
        while len(kept) > 1 and (
            held > HISTORY_BYTES or kept[0].matrix.as_of < matrix.as_of - HISTORY_S
        ):
            held -= kept.popleft().matrix.nbytes
        longer = self.longer(matrix)
        mean = None if longer is None else average(change_of(matrix, longer))
        if mean is not None:
            table.averages.append((matrix.as_of, mean))
        while table.averages and table.averages[0][0] <= matrix.as_of - table.id.window_s:
            table.averages.popleft()

    def _items(self, table: _Table, kept: _Kept) -> list[Item]:
        item = self._item(table, kept, table.id.name)
        found = resolved(table.id.short, self.tables())
        if found != table.id:
            return [item]
        return [item, self._item(table, kept, table.id.short)]

    def _item(self, table: _Table, kept: _Kept, key: str) -> Item:
        return MatrixItem(key, kept, self._render, key != table.id.name)


class MatrixItem(Item):
    """A matrix over some coins, None for the usual ones; serialised once for each choice."""

    __slots__ = ("_coins", "_kept", "_narrowed", "_show")

    def __init__(
        self,
        key: str,
        kept: _Kept,
        show: Render,
        is_alias: bool,
        coins: Coins = None,
    ) -> None:
        super().__init__(
            key,
            kept.seq,
            kept.prev_seq,
            kept.matrix.as_of * SECOND,
            kept.ts_publish,
            lambda: show(kept.matrix, coins)(),
            is_alias=is_alias,
        )
        self._kept = kept
        self._show = show
        self._coins: Coins = coins
        self._narrowed: dict[tuple[str, ...], Item] = {}

    def narrowed(self, coins: Coins) -> Item:
        """Return the matrix over these coins."""
        if coins is None:
            return self
        item = self._narrowed.get(coins)
        if item is None:
            item = MatrixItem(self.key, self._kept, self._show, self.is_alias, coins)
            self._narrowed[coins] = item
        return item

    def is_slow(self, form: Format) -> bool:
        """Return whether it has many coins and is not serialised yet."""
        if self._coins is None or form in self._data:
            return False
        all_of_them = self._coins == (EVERY_COIN,)
        return len(self._kept.matrix.coins if all_of_them else self._coins) > MANY_COINS

    def rendering(self, form: Format) -> Callable[[], None]:
        """Return what serialises the matrix beside what is known of its coins now."""
        show = self._show(self._kept.matrix, self._coins)

        def render() -> None:
            if form not in self._data:
                self._data[form] = msgspec.Raw(encoded_by_row(show(), form))

        return render

    def _copy(self) -> Item:
        return MatrixItem(self.key, self._kept, self._show, self.is_alias, self._coins)


def change_of(matrix: Matrix, longer: Matrix) -> Cells:
    """Return the pairs' z against a longer table, shape (N, N); NaN where either is undefined."""
    other = longer if longer.coins == matrix.coins else longer.of(matrix.coins)
    return change(matrix.matrix, matrix.n_effective, other.matrix, other.n_effective)
