"""Audiences: the clients that want exactly the same, so that it is serialised once for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from services.gateway.hub.backlog import Step
from services.gateway.hub.client import Client, frames_maker, is_slow, step_frames
from services.gateway.hub.held import Beside, Held, at_once
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
    """Clients of one channel with the same wish and format.

    While a step is serialised beside the event loop, the newest values that come meanwhile wait,
    one a key; a client that comes then gets an audience of its own.
    """

    def __init__(self, channel: str, wish: Wish, form: Format, beside: Beside = at_once) -> None:
        self.channel = channel
        self.wish = wish
        self.form: Format = form
        self.clients: dict[Client, None] = {}
        self.is_busy = False
        self._newest = Newest()
        self._beside = beside

    def publish(self, items: Sequence[Item]) -> None:
        """Send what is wanted of these values to everyone."""
        wanted = self.wish.wanted(items)
        if self.is_busy:
            for item in wanted:
                self._newest.add(self.channel, item, is_snapshot=False)
        elif wanted:
            self._give(Step(self.channel, wanted, self.wish.as_batch))

    def flush(self) -> None:
        """Send what waits now, unless a step is under way."""
        if self.is_busy or not len(self._newest):
            return
        waiting, _ = self._newest.take()
        self._give(Step(self.channel, [each.settled() for each in waiting], self.wish.as_batch))

    def leave(self, client: Client) -> None:
        """Send a client what waits, then nothing more; what is under way still comes."""
        waiting = self._newest.waiting()
        if waiting and not client.is_ended:
            items = [each.settled() for each in waiting]
            client.send(Step(self.channel, items, self.wish.as_batch))
        self.clients.pop(client, None)

    def _give(self, step: Step) -> None:
        if not is_slow(step, self.form):
            shared = b"".join(step_frames(step, self.form))
            for client in self.clients:
                client.deliver(shared, step)
            return
        self.is_busy = True
        places = {client: Held(self.channel, step) for client in self.clients}
        for client, held in places.items():
            client.hold(held)
        self._beside(frames_maker(step, self.form), partial(self._given, places))

    def _given(self, places: dict[Client, Held], shared: bytes) -> None:
        for client, held in places.items():
            client.release(held, shared)
        self.is_busy = False
        self.flush()


class Handle(Protocol):
    """A call that is planned."""

    def cancel(self) -> None:
        """Do not make the call."""


Schedule = Callable[[float, Callable[[], None]], Handle]
"""Given seconds and a call: plans the call."""


class ThrottledAudience(Audience):
    """One client that wants at most one message an interval, with the newest value per key."""

    def __init__(
        self,
        channel: str,
        wish: Wish,
        form: Format,
        schedule: Schedule,
        beside: Beside = at_once,
    ) -> None:
        super().__init__(channel, wish, form, beside)
        self._schedule = schedule
        self._planned: Handle | None = None

    def publish(self, items: Sequence[Item]) -> None:
        """Keep the newest of these values until the interval is over."""
        for item in self.wish.wanted(items):
            self._newest.add(self.channel, item, is_snapshot=False)
        if len(self._newest) and self._planned is None:
            self._planned = self._schedule(self.wish.interval_ms / 1000, self.flush)

    def flush(self) -> None:
        """Send what waits now, unless a step is under way."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        super().flush()
