"""Matrices as the archive keeps them: one row a pair, of every fifth minute.

A matrix of a thousand coins has half a million pairs, and a table makes one every ten seconds;
`returns` hold all that the others follow from.
"""

from __future__ import annotations

import msgspec
import numpy as np

from models.records.correlations import WHY, CorrelationBlock, decode_block
from models.records.reasons import Reason
from models.times import seconds_of

EVERY_S = 300


class CorrelationCells(msgspec.Struct, frozen=True):
    """The pairs of a block on and above the diagonal; every list has one value a pair.

    Those of a matrix whose `as_of` is no multiple of five minutes are left out: the lists are
    empty then. `why` says why `correlation` is null.
    """

    version: int
    table: str
    as_of: str
    coin_a: list[str]
    coin_b: list[str]
    correlation: list[float | None]
    n: list[int]
    n_rest: list[int]
    n_effective: list[float]
    why: list[Reason | None]


def decode_cells(value: bytes) -> CorrelationCells:
    """Return what the archive keeps of a Kafka value of the topic `correlations`.

    Raises:
        msgspec.DecodeError: the value is none.
        ValueError: its columns do not fit each other.
    """
    block = decode_block(value)
    if seconds_of(block.as_of) % EVERY_S:
        return CorrelationCells(block.version, block.table, block.as_of, [], [], [], [], [], [], [])
    return cells_of(block)


def cells_of(block: CorrelationBlock) -> CorrelationCells:
    """Return the pairs of a block on and above the diagonal."""
    row, column = np.triu_indices(block.rows, block.first_row, len(block.coins))
    cells = {
        name: block.column(name)[row, column]
        for name in ("matrix", "n", "n_rest", "n_effective", "why")
    }
    if len(cells["why"]) and int(cells["why"].max()) >= len(WHY):
        raise ValueError(f"expected a reason out of {len(WHY)}, was {cells['why'].max()}")
    return CorrelationCells(
        version=block.version,
        table=block.table,
        as_of=block.as_of,
        coin_a=[block.coins[block.first_row + i] for i in row.tolist()],
        coin_b=[block.coins[i] for i in column.tolist()],
        correlation=[None if each != each else each for each in cells["matrix"].tolist()],
        n=cells["n"].tolist(),
        n_rest=cells["n_rest"].tolist(),
        n_effective=cells["n_effective"].tolist(),
        why=[WHY[each] for each in cells["why"].tolist()],
    )
