"""One websocket client as the hub sees it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Protocol

import msgspec

from services.gateway.hub.backlog import Backlog, Entry, Step
from services.gateway.hub.held import Beside, Held, at_once
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

    def __init__(
        self,
        outlet: Outlet,
        form: Format,
        limit: int,
        tally: Tally,
        beside: Beside = at_once,
    ) -> None:
        """`limit` is that of its backlog; what takes long to serialise is done `beside`."""
        self.form: Format = form
        self.is_ended = False
        self._beside = beside
        self._held: dict[str, deque[Held]] = {}
        self._tally = tally
        self._outlet = outlet
        self._backlog = Backlog(limit)
        outlet.when_free(self._catch_up)

    @property
    def is_behind(self) -> bool:
        """Whether the client takes less than it is sent."""
        return self._outlet.is_full or len(self._backlog) > 0

    def send(self, *entries: Entry) -> None:
        """Send messages and steps in order: of each channel, where something takes long."""
        held = [self._place(entry) for entry in entries]
        ready = [entry for entry, place in zip(entries, held, strict=True) if place is None]
        if self.is_behind:
            for entry in ready:
                self.delay(entry)
        elif ready:
            self._outlet.write(b"".join(part for entry in ready for part in self._frames(entry)))
        for place in held:
            if place is not None:
                self._beside(frames_maker(place.entry, self.form), partial(self.release, place))

    def hold(self, held: Held) -> None:
        """Let what follows on a channel wait until this has its frames and is released."""
        self._held.setdefault(held.channel, deque()).append(held)

    def release(self, held: Held, frames: bytes) -> None:
        """Send what is held with its frames, and what waited for it, in order."""
        held.frames = frames
        queue = self._held.get(held.channel)
        while queue and queue[0].frames is not None:
            first = queue.popleft()
            if self.is_behind:
                self.delay(first.entry)
            else:
                self._outlet.write(first.frames or b"")
                self._tally.deliveries += 1
        if not queue:
            self._held.pop(held.channel, None)

    def deliver(self, shared: bytes, entry: Entry) -> None:
        """Send an entry whose frames are serialised already."""
        channel = getattr(entry, "channel", "")
        if channel in self._held:
            self.hold(Held(channel, entry, shared))
        elif self._outlet.is_full or self._backlog:
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
        self._held.clear()
        self._outlet.end(code, reason)

    def _place(self, entry: Entry) -> Held | None:
        """Return an entry's place in its channel where it cannot be sent now."""
        channel = getattr(entry, "channel", "")
        if channel not in self._held and not is_slow(entry, self.form):
            return None
        held = Held(channel, entry)
        self.hold(held)
        return held

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
        if isinstance(entry, Step):
            self._tally.deliveries += 1
        return entry_frames(entry, self.form)


def is_slow(entry: Entry, form: Format) -> bool:
    """Return whether an entry takes long to serialise."""
    return isinstance(entry, Step) and any(item.is_slow(form) for item in entry.items)


def frames_maker(entry: Entry, form: Format) -> Callable[[], bytes]:
    """Return what makes an entry's frames of what is known now; any thread may call it."""
    items = entry.items if isinstance(entry, Step) else []
    renderings = [item.rendering(form) for item in items]

    def make() -> bytes:
        for render in renderings:
            render()
        return b"".join(entry_frames(entry, form))

    return make


def entry_frames(entry: Entry, form: Format) -> list[bytes]:
    """Return an entry as frames."""
    return [frame(entry, form)] if isinstance(entry, Message) else step_frames(entry, form)


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
