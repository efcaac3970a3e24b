"""What a client is sent when it subscribes: where every key stands, or what it has missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from services.gateway.channels import BY_INTERVAL
from services.gateway.hub.audience import EVERY_KEY
from services.gateway.hub.backlog import Entry, Step
from services.gateway.hub.messages import EmptySnapshot
from services.gateway.items import Item
from services.gateway.memory.memory import Memory
from services.gateway.times import nanoseconds_of

ResumePoints = Mapping[str, int]
"""The last `seq` that a client has, by key; for `*` one `as_of` in seconds."""


def resume_points(
    channel: str, keys: Sequence[str], resume: Mapping[str, int | str]
) -> ResumePoints:
    """Return where a client wants to go on.

    Raises:
        ValueError: a key is not subscribed, or a value is no `seq` (of `*`: no `as_of`).
    """
    points: dict[str, int] = {}
    for key, value in resume.items():
        if key not in keys:
            raise ValueError(f"expected resume for keys that are subscribed, was {key!r}")
        if isinstance(value, int):
            points[key] = value
        elif channel == "spreads":
            points[key] = nanoseconds_of(value) // 1_000_000_000
        else:
            raise ValueError(f"expected a seq to resume {channel} from, was {value!r}")
        if key == EVERY_KEY and channel != "spreads":
            raise ValueError(f"expected a seq by key to resume {channel} from, was one for '*'")
    return points


class Snapshots:
    """Finds what a new subscription begins with."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def entries(
        self,
        channel: str,
        keys: Sequence[str],
        points: ResumePoints,
        as_batch: bool,
        coins: tuple[str, ...] | None = None,
    ) -> Iterator[Entry]:
        """Yield what was missed of the keys that can go on, and snapshots of the others."""
        for entry in self._entries(channel, keys, points, as_batch):
            if coins is None or not isinstance(entry, Step):
                yield entry
            else:
                items = [item.narrowed(coins) for item in entry.items]
                yield Step(entry.channel, items, entry.as_batch, entry.is_snapshot)

    def _entries(
        self, channel: str, keys: Sequence[str], points: ResumePoints, as_batch: bool
    ) -> Iterator[Entry]:
        if EVERY_KEY in keys:
            yield from self._everything(channel, keys, points, as_batch)
            return
        missed: list[Item] = []
        for key in keys:
            found = self._missed(channel, key, points.get(key))
            if found is None:
                yield self._snapshot(channel, key)
            else:
                missed += found
        yield from _steps(channel, missed, as_batch)

    def _everything(
        self, channel: str, keys: Sequence[str], points: ResumePoints, as_batch: bool
    ) -> Iterator[Entry]:
        missed = None
        if EVERY_KEY in points:
            missed = self._memory.spreads.all_missed(points[EVERY_KEY])
        if missed is not None:
            for items in missed:
                yield Step(channel, items, as_batch)
            return
        named = [key for key in keys if key != EVERY_KEY]
        for key in sorted({*named, *self._memory.keys(channel)}):
            yield self._snapshot(channel, key)

    def _missed(self, channel: str, key: str, seq: int | None) -> list[Item] | None:
        if seq is None:
            return None
        newest = self._memory.newest(channel, key)
        if newest is not None and newest.seq == seq and channel not in BY_INTERVAL:
            return []
        if channel == "spreads":
            return self._memory.spreads.missed(key, seq)
        if channel == "trades":
            return self._memory.trades.missed(key, seq)
        if channel in BY_INTERVAL:
            return self._missed_bars(channel, key, seq)
        if channel == "correlations":
            return self._memory.correlations.missed(key, seq)
        return None  # of quotes and feeds the newest is all there is to know

    def _missed_bars(self, channel: str, key: str, seq: int) -> list[Item] | None:
        memory = self._memory
        return (memory.bars if channel == "bars" else memory.indicators).missed(key, seq)

    def _snapshot(self, channel: str, key: str) -> Entry:
        newest = self._memory.newest(channel, key)
        if newest is None:
            return EmptySnapshot(channel, key, {"data": "warming"})
        return Step(channel, [newest], as_batch=False, is_snapshot=True)


def _steps(channel: str, items: list[Item], as_batch: bool) -> Iterator[Entry]:
    """Yield missed values in the order of their `seq`, those of one `seq` together."""
    steps: dict[int, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.seq):
        steps.setdefault(item.seq, []).append(item)
    for step in steps.values():
        yield Step(channel, step, as_batch)
