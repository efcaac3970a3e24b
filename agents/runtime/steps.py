"""The state of a source after one closed second, as it stands in the changelog.

A step record holds one pane; slots form a ring, so compaction keeps the changelog bounded.
Longer panes have records and a ring of their own, written just before the step that finishes
them: a step implies the longer panes before its end.
What to recover from is the state furthest on, not the newest record: a worker that was taken for
dead may write an old step long after its successor has passed it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from agents.runtime.source_log import Position
from models.errors import InvariantError

STEP_VERSION = 2


class Step(msgspec.Struct, frozen=True):
    """One closed second of one source, or one longer pane (`seconds` above 1).

    `index` is the number of the pane: its start divided by its length. Of a second, everything
    before `index + 1` is closed; panes before `since` (a second) are empty; `positions` are by
    topic; `carried` is what else the agent needs, and `kept` what it needs of this second for
    some time, both in its own encoding. A longer pane has nothing of these.

    `pane` are columns over `markets`, float64 little-endian; a column that is neutral for all of
    them is left out.
    """

    version: int
    exchange: str
    index: int
    since: int
    markets: list[str]
    positions: dict[str, Position]
    pane: dict[str, bytes]
    carried: bytes
    kept: bytes = b""
    seconds: int = 1


class _Versioned(msgspec.Struct):
    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Step)
_version_decoder = msgspec.msgpack.Decoder(_Versioned)


def encode_step(step: Step) -> bytes:
    """Return the changelog value of a step."""
    return _encoder.encode(step)


def decode_step(value: bytes) -> Step:
    """Return the step of a changelog value.

    Raises:
        InvariantError: the value is none of ours, or was written by another version.
    """
    try:
        version = _version_decoder.decode(value).version
        step = _decoder.decode(value) if version == STEP_VERSION else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvariantError(f"expected a step in the changelog, {error}") from error
    if step is None:
        raise InvariantError(
            f"expected step version {STEP_VERSION} in the changelog, was {version}: its state "
            "cannot be gone on with; set another namespace, or stop every worker, delete the "
            "changelog topic and create it anew with `cointide topics`"
        )
    return step


def step_key(exchange: str, index: int, slots: int, ring: str = "") -> bytes:
    """Return the changelog key of a step: its source and its slot in the ring.

    The ring of seconds has no name.

    >>> step_key("kraken", 130, 64), step_key("kraken", 130, 64, "baseline")
    (b'kraken|2', b'kraken|baseline|2')
    """
    return "|".join(filter(None, (exchange, ring, str(index % slots)))).encode()


class Needs(msgspec.Struct, frozen=True):
    """What a source needs of its changelog to go on.

    `window` is how many panes a published second reaches back, through whatever; `overlap` how
    many the state at a boundary itself depends on. `longer_seconds` is the length of the longer
    panes (0: there are none), `longer` how many of them a published second reaches back.
    """

    window: int
    overlap: int = 0
    longer_seconds: int = 0
    longer: int = 0


class Restored(msgspec.Struct, frozen=True):
    """From where a source goes on.

    `step` is what to continue from; `panes` are the steps whose panes its windows need, `longer`
    the longer ones. `published` is the number of the last second whose outputs were acknowledged:
    up to it nothing is sent again.
    """

    step: Step
    panes: list[Step]
    published: int
    longer: list[Step] = []


def restore(steps: Iterable[Step], needs: Needs) -> Restored | None:
    """Return what to recover from, None without any step.

    Where an old worker's late write has taken the place of a pane that is still needed, an older
    step is taken, from which that pane is made again.

    Raises:
        InvariantError: no step has all the panes that it needs.
    """
    by_index: dict[int, Step] = {}
    longer: dict[int, Step] = {}
    for step in steps:
        (by_index if step.seconds == 1 else longer)[step.index] = step
    if not by_index:
        return None
    published = max(by_index)
    for index in sorted(by_index, reverse=True):
        step = by_index[index]
        first = min(published + 1 - needs.window, index + 1 - needs.overlap)
        needed = range(max(first, step.since), index + 1)
        needed_longer = _longer_needed(step, published, needs)
        if all(i in by_index for i in needed) and all(i in longer for i in needed_longer):
            return Restored(
                step,
                [by_index[i] for i in needed],
                published,
                [longer[i] for i in needed_longer],
            )
    raise InvariantError(
        f"expected a step with all the panes of its windows, was {sorted(by_index)} "
        f"and the longer panes {sorted(longer)}"
    )


def _longer_needed(step: Step, published: int, needs: Needs) -> range:
    length = needs.longer_seconds
    if not length:
        return range(0)
    first = (published + 1) // length - needs.longer
    return range(max(first, step.since // length), (step.index + 1) // length)
