"""Latest wins: of every key the newest value that has not been sent."""

from __future__ import annotations

import msgspec

from services.gateway.items import Item


class Waiting(msgspec.Struct):
    """One key's newest value. `prev_seq` is what the client had before those left out."""

    channel: str
    item: Item
    prev_seq: int | None
    is_snapshot: bool

    def settled(self) -> Item:
        """Return the value as the follower of what the client had last."""
        return self.item.after(self.prev_seq)


class Newest:
    """Values that wait, one a key; and one more of those that are revised."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, bool], Waiting] = {}
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many keys wait."""
        return len(self._waiting)

    def add(self, channel: str, item: Item, is_snapshot: bool) -> None:
        """Let a value wait in the place of the one before; that one is counted as dropped.

        A snapshot begins anew; what follows it becomes part of it.
        """
        key = channel, item.key, item.is_revised
        before = self._waiting.get(key)
        if before is not None:
            self.dropped += 1
        if before is None or is_snapshot:
            # Taken out first, so that a new snapshot stands behind what came before it.
            self._waiting.pop(key, None)
            self._waiting[key] = Waiting(channel, item, item.prev_seq, is_snapshot)
        else:
            before.item = item

    def waiting(self) -> list[Waiting]:
        """Return everything that waits, and let it wait on."""
        return list(self._waiting.values())

    def take(self) -> tuple[list[Waiting], int]:
        """Return everything that waits, and how many were dropped; begin anew."""
        taken, dropped = list(self._waiting.values()), self.dropped
        self._waiting, self.dropped = {}, 0
        return taken, dropped
