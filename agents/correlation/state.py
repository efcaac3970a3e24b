"""A table's step in the changelog: the row, and what was decided for it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.correlation.tables import TableDefinition
from agents.runtime.source_log import Position
from agents.runtime.steps import STEP_VERSION, Step
from models.errors import InvariantError


class Decided(msgspec.Struct, frozen=True):
    """What the row of a step was made of.

    `sources` says up to which second each one was read, at most that of the step; `late` are those
    that later steps do not wait for. Candles up to the offset `candles_to` are in the rows before
    the first live one, which changed last at `rest_changed` (seconds, 0 for never). Of these those
    from number `rest_from` to `rest_until`, exclusive, are published with the step.
    """

    sources: dict[str, int]
    masked: list[str]
    late: list[str]
    candles_to: int
    rest_changed: int = 0
    rest_from: int = 0
    rest_until: int = 0


class StepRow(msgspec.Struct, frozen=True):
    """The live rows of one step.

    `price`, `currency` and `venues` have shape (rows, coins), `quotes`, `joined` (steps) and
    `first_row` shape (coins,).
    """

    price: NDArray[np.float64]
    currency: NDArray[np.int8]
    venues: NDArray[np.uint16]
    quotes: NDArray[np.int64]
    joined: NDArray[np.int64]
    first_row: NDArray[np.int64]


_TYPES = {
    "price": "<f8",
    "currency": "i1",
    "venues": "<u2",
    "quotes": "<i8",
    "joined": "<i8",
    "first_row": "<i8",
}
_BY_ROW = ("price", "currency", "venues")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Decided)


def step_of(
    definition: TableDefinition,
    index: int,
    since: int,
    coins: Sequence[str],
    row: StepRow,
    decided: Decided,
    closes_from: int,
    candles_from: int,
) -> Step:
    """Return the changelog's step; `closes_from` and `candles_from` are where to read on."""
    return Step(
        STEP_VERSION,
        definition.name,
        index,
        since,
        list(coins),
        {"closes": Position(closes_from, 0), "candles": Position(candles_from, 0)},
        {name: np.asarray(getattr(row, name), kind).tobytes() for name, kind in _TYPES.items()},
        _encoder.encode(decided),
    )


def row_of(definition: TableDefinition, step: Step) -> StepRow:
    """Return the rows of a step."""
    columns = {name: np.frombuffer(step.pane[name], kind) for name, kind in _TYPES.items()}
    shape = definition.step_s // definition.row_s, len(step.markets)
    for name in _BY_ROW:
        columns[name] = columns[name].reshape(shape)
    return StepRow(**columns)


def decided_in(step: Step) -> Decided:
    """Return what was decided for a step.

    Raises:
        InvariantError: it does not say so.
    """
    try:
        return _decoder.decode(step.carried)
    except msgspec.DecodeError as error:
        raise InvariantError(f"expected what a step decided, {error}") from error
