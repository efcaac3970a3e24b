"""Offsets between where reading goes on and what Kafka sends: still to be read, or lost.

Faust may seek with what it was told before a worker had committed where it goes on; then what lies
between is still to be read. What a topic never held is not there after any number of seeks.
"""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from agents.archive.metrics import StoreMetrics
from agents.runtime.base_worker import TopicPartition

# So often the same fetch comes after a seek to what lies before it, and nothing does.
_NEVER_HELD = 3


class OffsetGaps:
    """Where fetches began too late since the last assignment; what is lost is told."""

    def __init__(self, metrics: StoreMetrics, logger: FilteringBoundLogger) -> None:
        """Know of none."""
        self._metrics = metrics
        self._logger = logger
        self._due: dict[TopicPartition, int] = {}
        self._seen: dict[TopicPartition, tuple[int, int]] = {}

    def was_never_held(self, place: TopicPartition, first: int) -> bool:
        """Return whether a fetch that begins at `first` begins where the topic goes on.

        Else a seek is due.
        """
        before, times = self._seen.get(place, (first, 0))
        times = times + 1 if before == first else 1
        self._seen[place] = first, times
        if times > _NEVER_HELD:
            return True
        self._due[place] = first
        return False

    def closed(self, place: TopicPartition) -> None:
        """Know that a partition was read on from where it was."""
        self._seen.pop(place, None)

    def take_due(self) -> dict[TopicPartition, int]:
        """Return, once each, the partitions to seek in, and where their last fetch began."""
        due, self._due = self._due, {}
        return due

    def forget(self) -> None:
        """Know of none any more."""
        self._due = {}
        self._seen = {}

    def begin_at(self, place: TopicPartition, beginning: int, written_up_to: int | None) -> int:
        """Return where to go on, and tell what Kafka, which holds from `beginning`, has lost."""
        if written_up_to is None:
            return beginning
        if beginning > written_up_to:
            self.tell_lost(place, written_up_to, beginning)
        return max(beginning, written_up_to)

    def tell_lost(self, place: TopicPartition, offset: int, beginning: int) -> None:
        """Tell that Kafka no longer holds `[offset, beginning)`."""
        topic, partition = place
        self._metrics.lost.labels(topic).inc(beginning - offset)
        self._logger.error(
            "records_lost", topic=topic, partition=partition, offset=offset, beginning=beginning
        )
