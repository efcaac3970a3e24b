"""The state of a source after one closed second, as it stands in the changelog.

A step record holds one pane; slots form a ring, so compaction keeps the changelog bounded.
What to recover from is the state furthest on, not the newest record: a worker that was taken for
dead may write an old step long after its successor has passed it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from agents.runtime.source_log import Position
from models.errors import InvariantError

STEP_VERSION = 1


class Step(msgspec.Struct, frozen=True):
    """One closed second of one source.

    `index` is the second's number; everything before `index + 1` is closed. Panes before `since`
    are empty. `positions` are by topic. `pane` are columns over `markets`, float64 little-endian;
    `carried` is what else the agent needs, in its own encoding.
    """

    version: int
    exchange: str
    index: int
    since: int
    markets: list[str]
    positions: dict[str, Position]
    pane: dict[str, bytes]
    carried: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Step)


def encode_step(step: Step) -> bytes:
    """Return the changelog value of a step."""
    return _encoder.encode(step)


def decode_step(value: bytes) -> Step:
    """Return the step of a changelog value.

    Raises:
        InvariantError: the value is none of ours.
    """
    try:
        step = _decoder.decode(value)
    except msgspec.DecodeError as error:
        raise InvariantError(f"expected a step in the changelog, {error}") from error
    if step.version != STEP_VERSION:
        raise InvariantError(f"expected step version {STEP_VERSION}, was {step.version}")
    return step


def step_key(exchange: str, index: int, slots: int) -> bytes:
    """Return the changelog key of a step: its source and its slot in the ring.

    >>> step_key("kraken", 130, 64)
    b'kraken|2'
    """
    return f"{exchange}|{index % slots}".encode()


class Restored(msgspec.Struct, frozen=True):
    """From where a source goes on.

    `step` is what to continue from; `panes` are the steps whose panes its windows need.
    `published` is the number of the last second whose outputs were acknowledged: up to it nothing
    is sent again.
    """

    step: Step
    panes: list[Step]
    published: int


def restore(steps: Iterable[Step], window: int) -> Restored | None:
    """Return what to recover from, None without any step.

    `window` is the longest window in panes. Where an old worker's late write has taken the place
    of a pane that is still needed, an older step is taken, from which that pane is made again.

    Raises:
        InvariantError: no step has all the panes that it needs.
    """
    by_index: dict[int, Step] = {}
    for step in steps:
        by_index[step.index] = step
    if not by_index:
        return None
    published = max(by_index)
    for index in sorted(by_index, reverse=True):
        step = by_index[index]
        first_wanted = max(published + 1 - window, step.since)
        needed = range(first_wanted, index + 1)
        if all(i in by_index for i in needed):
            return Restored(step, [by_index[i] for i in needed], published)
    raise InvariantError(
        f"expected a step with all the panes of its windows, was {sorted(by_index)}"
    )
