"""What a stream tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Subscription:
    """Keys of a channel, as `Subscription("spreads", ["kraken:BTC-USD"])`; `["*"]` are all.

    `interval_ms` asks for the newest value of a key once an interval; `coins` are those of a
    matrix.
    """

    channel: str
    keys: Sequence[str]
    interval_ms: int = 0
    coins: Sequence[str] | None = None


@dataclass(frozen=True)
class Value:
    """A value of a key. Of each key they come once, in the order of `seq`.

    `time` is the time of the event. `is_snapshot` marks where a key stood when it was subscribed.
    One with `is_revised` takes the place of the bar of that `seq`, which came before.
    """

    channel: str
    key: str
    seq: int
    time: datetime | None
    data: dict[str, Any] = field(repr=False)
    is_snapshot: bool = False
    is_revised: bool = False


@dataclass(frozen=True)
class NoValue:
    """A key that has no value yet; `reasons` says why."""

    channel: str
    key: str
    reasons: dict[str, str]


@dataclass(frozen=True)
class Gap:
    """Values of a key were missed, or may have been: those with `after` < `seq` < `before`.

    So it is after too long a time away, and of `quotes` and `feeds` after any, since of those a
    gateway keeps the newest alone. History has what is missing here.
    """

    channel: str
    key: str
    after: int
    before: int


@dataclass(frozen=True)
class Conflated:
    """The client was too slow: so many values were left out, the newest of each key were not."""

    dropped: int


@dataclass(frozen=True)
class Status:
    """A subscribed market went out of sight (`reason` says why) or came back (`live`)."""

    market: str
    status: str
    reason: str | None
    time: datetime | None


@dataclass(frozen=True)
class Reconnected:
    """The connection was lost, and is there again; what was missed follows. `reason` says why."""

    reason: str


Event = Value | NoValue | Gap | Conflated | Status | Reconnected
