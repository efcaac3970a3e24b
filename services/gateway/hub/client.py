"""One websocket client as the hub sees it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Protocol

import msgspec

from services.gateway.hub.backlog import Backlog, Entry, Step
from services.gateway.hub.messages import (
    Conflated,
    Message,
    batch_of,
    frame,
    snapshot_of,
    update_of,
)
from services.gateway.hub.newest import Waiting
from services.gateway.items import Format

TRY_AGAIN_LATER = 1013


class Outlet(Protocol):
    """Where a client's frames go. It never refuses; `is_full` says that it should be left alone."""

    @property
    def is_full(self) -> bool:
        """Whether the client takes less than it is sent."""

    def write(self, frames: bytes) -> None:
        """Send whole frames."""

    def end(self, code: int, reason: str) -> None:
        """Close the connection behind what has been sent; no later than a few seconds."""

    def when_free(self, call: Callable[[], None]) -> None:
        """Call this whenever the outlet is no longer full."""


class Tally(msgspec.Struct):
    """What all clients together were sent, and what was left out for slow ones."""

    deliveries: int = 0
    dropped: int = 0


class Client:
    """Sends to one client: at once, or into its backlog while it is slow."""

    def __init__(self, outlet: Outlet, form: Format, limit: int, tally: Tally) -> None:
        self.form: Format = form
        self.is_ended = False
        self._tally = tally
        self._outlet = outlet
        self._backlog = Backlog(limit)
        outlet.when_free(self._catch_up)

    @property
    def is_behind(self) -> bool:
        """Whether the client takes less than it is sent."""
        return self._outlet.is_full or len(self._backlog) > 0

    def send(self, *entries: Entry) -> None:
        """Send messages and steps in order."""
        if self.is_behind:
            for entry in entries:
                self.delay(entry)
        else:
            self._outlet.write(b"".join(part for entry in entries for part in self._frames(entry)))

    def deliver(self, shared: bytes, entry: Entry) -> None:
        """Send an entry whose frames are serialised already."""
        if self._outlet.is_full or self._backlog:
            self.delay(entry)
        else:
            self._outlet.write(shared)
            self._tally.deliveries += 1

    def delay(self, entry: Entry) -> None:
        """Put an entry behind the others; one too many of what must not be lost ends it all."""
        if not self.is_ended and not self._backlog.add(entry):
            self.end(TRY_AGAIN_LATER, "too slow for what cannot be left out")

    def end(self, code: int, reason: str) -> None:
        """Close the connection; nothing is sent after this."""
        self.is_ended = True
        self._backlog.take()
        self._outlet.end(code, reason)

    def _catch_up(self) -> None:
        """Send what waits; a `conflated` stands before values that others were left out for."""
        if self.is_ended or not len(self._backlog):
            return
        entries, waiting, dropped = self._backlog.take()
        parts = [part for entry in entries for part in self._frames(entry)]
        if dropped:
            self._tally.dropped += dropped
            parts.append(frame(Conflated(dropped), self.form))
        parts += waiting_frames(waiting, self.form)
        self._outlet.write(b"".join(parts))

    def _frames(self, entry: Entry) -> list[bytes]:
        if isinstance(entry, Message):
            return [frame(entry, self.form)]
        self._tally.deliveries += 1
        return step_frames(entry, self.form)


def step_frames(step: Step, form: Format) -> list[bytes]:
    """Return a step as frames: one batch, or one message a value."""
    if step.is_snapshot:
        return [frame(snapshot_of(step.channel, item, form), form) for item in step.items]
    if step.as_batch:
        return [frame(batch_of(step.channel, step.items, form), form)]
    return [frame(update_of(step.channel, item, form), form) for item in step.items]


def waiting_frames(waiting: list[Waiting], form: Format) -> list[bytes]:
    """Return what waited as frames: snapshots one by one, several updates of a channel as a batch.

    A key is in there once, so the order between channels and keys does not matter.
    """
    frames: list[bytes] = []
    ordered = sorted(waiting, key=lambda each: (not each.is_snapshot, each.channel))
    for (is_update, channel), group in groupby(
        ordered, key=lambda each: (not each.is_snapshot, each.channel)
    ):
        items = [each.settled() for each in group]
        step = Step(channel, items, is_update and len(items) > 1, not is_update)
        frames += step_frames(step, form)
    return frames
