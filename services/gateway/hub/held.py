"""What takes long to serialise: it is done beside the event loop, and what follows it waits."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from services.gateway.hub.backlog import Entry

Beside = Callable[[Callable[[], bytes], Callable[[bytes], None]], None]
"""Makes the first call in any thread, then gives its result to the second on the event loop."""


class Held(msgspec.Struct):
    """An entry in its place on a channel; `frames` are None until they are made."""

    channel: str
    entry: Entry
    frames: bytes | None = None


def at_once(call: Callable[[], bytes], then: Callable[[bytes], None]) -> None:
    """Make both calls here and now."""
    then(call())
