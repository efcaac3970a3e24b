"""The changelog of the bars agent: bars by slot, and heads that say how far they go.

A group of changes counts from its head on. A head of closed minutes comes after their bars; a head
of candles holds them and comes before the bars that they change, so that either it is known that
they were used, or nothing has followed from them. Heads have a ring of their own: a worker that was
taken for dead may write an old one late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.bars.tables import TABLES, BarRings
from agents.runtime.source_log import Position
from agents.runtime.steps import STEP_VERSION, Step, encode_step
from models.records.bars import BarInterval
from models.statistics.bars import BAR_COLUMNS

_HEAD = "head"
_HEADS = 8
_EPOCH_BITS = 32


class Change(msgspec.Struct, frozen=True):
    """One changelog record."""

    key: bytes
    value: bytes
    step: Step


class Head(msgspec.Struct, frozen=True):
    """How far a source is.

    All minutes before number `boundary` are closed, the outputs of those before `published`
    acknowledged. `known` are the markets that have bars, `unseen_minutes` for how many minutes each
    has not been seen. `candles` is the first record not used; `batch` are those that this head
    says are used, `batch_offset` the last of them. `lost` are times (ns) in which records were
    deleted before they were read.
    """

    number: int
    boundary: int
    published: int
    trades: Position
    candles: int
    known: list[str]
    unseen_minutes: list[int]
    lost: tuple[int, int] | None
    batch: list[bytes]
    batch_offset: int


class Kept(msgspec.Struct, frozen=True):
    """What the changelog gives of a source: its newest head, and its bars in `rings`.

    `rewritten` says whether bars that the head's candles changed are there already: then the
    outputs that follow from these were acknowledged.
    """

    head: Head
    rewritten: bool


def first_number(before: int) -> int:
    """Return the first number of a new owner who finds `before`: above all of the old one's.

    >>> first_number(0) < first_number(first_number(0) + 7)
    True
    """
    return ((before >> _EPOCH_BITS) + 1) << _EPOCH_BITS


def head_change(exchange: str, topic: str, head: Head) -> Change:
    """Return the changelog record of a head; `topic` is that of its trades."""
    step = Step(
        STEP_VERSION,
        exchange,
        head.number,
        head.boundary,
        head.known,
        {topic: head.trades},
        {},
        msgspec.msgpack.encode(head),
    )
    key = f"{exchange}|{_HEAD}|{head.number % _HEADS}".encode()
    return Change(key, encode_step(step), step)


def bars_change(
    exchange: str, number: int, rings: BarRings, interval: BarInterval, index: int
) -> Change:
    """Return the changelog record of the bars number `index` of an interval."""
    codes = rings.sorted_by_name(rings.rings[interval].present(index))
    columns = rings.rings[interval].at(index, codes)
    step = Step(
        STEP_VERSION,
        exchange,
        number,
        index,
        [rings.names[code] for code in codes.tolist()],
        {},
        {name: column.tobytes() for name, column in columns.items()},
        interval.encode(),
    )
    key = f"{exchange}|{interval}|{index % TABLES[interval].slots}".encode()
    return Change(key, encode_step(step), step)


def restore(exchange: str, steps: Mapping[bytes, Step], rings: BarRings) -> Kept | None:
    """Fill `rings` with what a source's changelog holds; return its newest head, None without."""
    mine = [(key.split(b"|")[1].decode(), step) for key, step in steps.items()]
    mine = [(kind, step) for kind, step in mine if step.exchange == exchange]
    heads = [step for kind, step in mine if kind == _HEAD]
    if not heads:
        return None
    newest = max(heads, key=lambda step: step.index)
    head = msgspec.msgpack.decode(newest.carried, type=Head)
    rewritten = False
    # What stands beyond the head is of a group that was cut off; it is made again.
    for interval, index, step in _bars(mine, head.boundary):
        rewritten |= step.index == head.number
        codes = rings.codes(step.markets)
        rings.rings[interval].put(index, codes, _columns(step))
    return Kept(head, bool(head.batch) and rewritten)


def _bars(
    steps: Iterable[tuple[str, Step]], boundary: int
) -> Iterable[tuple[BarInterval, int, Step]]:
    for kind, step in steps:
        for interval, table in TABLES.items():
            if kind == interval and (step.since + 1) * table.minutes <= boundary:
                yield interval, step.since, step


def _columns(step: Step) -> dict[str, NDArray[np.generic]]:
    return {name: np.frombuffer(step.pane[name], kind) for name, (kind, _) in BAR_COLUMNS.items()}
