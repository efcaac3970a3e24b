"""Audiences: the clients that want exactly the same, so that it is serialised once for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from services.gateway.hub.backlog import Step
from services.gateway.hub.client import Client, step_frames
from services.gateway.hub.newest import Newest
from services.gateway.items import Format, Item

EVERY_KEY = "*"


class Wish(msgspec.Struct, frozen=True):
    """What a client wants of one channel; `interval_ms` 0 is every value.

    `coins` are those of a matrix; None is what is usual.
    """

    keys: frozenset[str]
    interval_ms: int = 0
    coins: tuple[str, ...] | None = None

    @property
    def wants_all(self) -> bool:
        """Whether every key is wanted, those to come included."""
        return EVERY_KEY in self.keys

    @property
    def as_batch(self) -> bool:
        """Whether values come as batches: `*` and many keys do."""
        return self.wants_all or len(self.keys) > 1

    def wanted(self, items: Sequence[Item]) -> list[Item]:
        """Return what is wanted of these values."""
        found = [
            item
            for item in items
            if item.key in self.keys or (self.wants_all and not item.is_alias)
        ]
        return found if self.coins is None else [item.narrowed(self.coins) for item in found]


class Audience:
    """Clients of one channel with the same wish and format."""

    def __init__(self, channel: str, wish: Wish, form: Format) -> None:
        self.channel = channel
        self.wish = wish
        self.form: Format = form
        self.clients: dict[Client, None] = {}

    def publish(self, items: Sequence[Item]) -> None:
        """Send what is wanted of these values to everyone."""
        wanted = self.wish.wanted(items)
        if not wanted:
            return
        step = Step(self.channel, wanted, self.wish.as_batch)
        shared = b"".join(step_frames(step, self.form))
        for client in self.clients:
            client.deliver(shared, step)

    def leave(self, client: Client) -> None:
        """Send a client nothing more."""
        self.clients.pop(client, None)


class Handle(Protocol):
    """A call that is planned."""

    def cancel(self) -> None:
        """Do not make the call."""


Schedule = Callable[[float, Callable[[], None]], Handle]
"""Given seconds and a call: plans the call."""


class ThrottledAudience(Audience):
    """One client that wants at most one message an interval, with the newest value per key."""

    def __init__(self, channel: str, wish: Wish, form: Format, schedule: Schedule) -> None:
        super().__init__(channel, wish, form)
        self._schedule = schedule
        self._newest = Newest()
        self._planned: Handle | None = None

    def publish(self, items: Sequence[Item]) -> None:
        """Keep the newest of these values until the interval is over."""
        for item in self.wish.wanted(items):
            self._newest.add(self.channel, item, is_snapshot=False)
        if len(self._newest) and self._planned is None:
            self._planned = self._schedule(self.wish.interval_ms / 1000, self.flush)

    def flush(self) -> None:
        """Send what waits now."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        waiting, _ = self._newest.take()
        if not waiting:
            return
        step = Step(self.channel, [each.settled() for each in waiting], self.wish.as_batch)
        shared = b"".join(step_frames(step, self.form))
        for client in self.clients:
            client.deliver(shared, step)

    def leave(self, client: Client) -> None:
        """Send the client what waits, then nothing more."""
        self.flush()
        super().leave(client)
