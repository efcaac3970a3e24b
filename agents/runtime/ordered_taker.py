"""Takes the records of one topic partition, each once and in offset order."""

from __future__ import annotations

from abc import ABC, abstractmethod

from models.errors import InvariantError


class OrderedTaker(ABC):
    """What was read of a topic partition; a subclass says what a record means to it."""

    def __init__(self, next_offset: int) -> None:
        """Take `next_offset` first."""
        self.next_offset = next_offset

    def take(self, offset: int, value: bytes | None) -> None:
        """Take the record at `offset`; an offset below the next one was taken before.

        Raises:
            RecordError: the record cannot be decoded; it counts as taken.
            InvariantError: records between the expected one and this one are missing.
        """
        if offset < self.next_offset:
            return
        if offset > self.next_offset:
            raise InvariantError(f"expected offset {self.next_offset}, was {offset}")
        self.next_offset = offset + 1
        self._take(offset, value)

    @abstractmethod
    def _take(self, offset: int, value: bytes | None) -> None:
        """Take a record that comes in its order.

        Raises:
            RecordError: it cannot be decoded.
        """
