"""What a slow client has not taken yet: bounded, the newest value per key beyond the bound."""

from __future__ import annotations

from collections import deque

import msgspec

from services.gateway.hub.messages import Message
from services.gateway.hub.newest import Newest, Waiting
from services.gateway.items import Item

UNCONFLATABLE = frozenset({"trades"})
"""Channels of which every value counts."""


class Step(msgspec.Struct, frozen=True):
    """Values of one channel that belong together; `as_batch` if they are sent as one message."""

    channel: str
    items: list[Item]
    as_batch: bool
    is_snapshot: bool = False


Entry = Message | Step


class Backlog:
    """A queue of at most `limit` entries; what does not fit is folded into the newest per key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: deque[Entry] = deque()
        self._newest = Newest()
        self._is_folding = False

    def __len__(self) -> int:
        """Return how many entries and keys wait."""
        return len(self._entries) + len(self._newest)

    def add(self, entry: Entry) -> bool:
        """Put an entry at the end; return False if it overflows with what cannot be folded."""
        if self._is_folding and _is_foldable(entry):
            self._fold(entry)
            return True
        self._entries.append(entry)
        if len(self._entries) <= self._limit:
            return True
        self._is_folding = True
        entries, self._entries = self._entries, deque()
        for each in entries:
            if _is_foldable(each):
                self._fold(each)
            else:
                self._entries.append(each)
        return len(self._entries) <= self._limit

    def take(self) -> tuple[list[Entry], list[Waiting], int]:
        """Return the entries, then what waits of each key, and how many values were dropped."""
        entries = list(self._entries)
        self._entries.clear()
        self._is_folding = False
        waiting, dropped = self._newest.take()
        return entries, waiting, dropped

    def _fold(self, entry: Entry) -> None:
        assert isinstance(entry, Step)
        for item in entry.items:
            self._newest.add(entry.channel, item, entry.is_snapshot)


def _is_foldable(entry: Entry) -> bool:
    return isinstance(entry, Step) and entry.channel not in UNCONFLATABLE
