"""What is on its way from one topic partition into a store, and how far the store is behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import Protocol

import msgspec

EndOffset = Callable[[str, int], int | None]
"""By topic and partition the end of what Kafka holds, as far as is known."""


class StoreSource(Protocol):
    """One topic partition on its way into a store."""

    topic: str
    partition: int

    @property
    def finished(self) -> Sized:
        """What can be written."""
        ...

    @property
    def next_offset(self) -> int:
        """The offset after the newest record that was taken."""
        ...

    @property
    def written_up_to(self) -> int:
        """The first offset that is not wholly written."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait to be written."""
        ...

    @property
    def oldest_timestamp(self) -> int | None:
        """Kafka's timestamp of the oldest record that is not written, in milliseconds."""
        ...

    def take(
        self, offset: int, value: bytes | None, timestamp: int = 0, key: bytes | None = None
    ) -> None:
        """Take one record.

        Raises:
            RecordError: it cannot be decoded; it counts as taken.
        """
        ...

    def skip_to(self, offset: int) -> None:
        """Go on at `offset`, as what lies before it is gone."""
        ...

    def close_idle(self, end_offset: int | None, before: float) -> bool:
        """Finish what is open if it is older and the topic holds no more; tell if work is there."""
        ...


class Lag(msgspec.Struct):
    """How far a store is behind a topic: in records, and by the age of the oldest of them."""

    offsets: int = 0
    seconds: float = 0.0


def lag_by_topic(
    topics: Iterable[str], sources: Iterable[StoreSource], end_offset: EndOffset, now: float
) -> dict[str, Lag]:
    """Return the lag of each of these topics over its sources; `now` is seconds since the epoch."""
    lags = {topic: Lag() for topic in topics}
    for source in sources:
        lag = lags[source.topic]
        end = end_offset(source.topic, source.partition)
        if end is not None:
            lag.offsets += max(0, end - source.written_up_to)
        oldest = source.oldest_timestamp
        if oldest is not None:
            lag.seconds = max(lag.seconds, now - oldest / 1_000)
    return lags
