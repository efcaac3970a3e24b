"""The messages of the stream, as structs and as websocket frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from services.gateway.items import Format, Item, ItemMessage, encode

_FINAL = 0x80
_OPCODE: dict[Format, int] = {"json": 0x1, "msgpack": 0x2}
_SHORT = 126
_LONG = 1 << 16


class Message(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Anything the server sends; `type` says which."""


class _Value(Message, frozen=True):
    channel: str
    key: str
    seq: int | None
    prev_seq: int | None
    ts_event: str | None
    ts_publish: str | None
    data: msgspec.Raw
    revised: bool = False


class Snapshot(_Value, frozen=True, tag="snapshot"):
    """Where a key stands when it is subscribed."""


class Update(_Value, frozen=True, tag="update"):
    """A new value of a key."""


class EmptySnapshot(Message, frozen=True, tag="snapshot", omit_defaults=False):
    """A key that has no value yet."""

    channel: str
    key: str
    reasons: dict[str, str]
    seq: int | None = None
    prev_seq: int | None = None
    ts_event: str | None = None
    ts_publish: str | None = None
    data: None = None


class Batch(Message, frozen=True, tag="batch"):
    """The new values of many keys of one step."""

    channel: str
    items: list[msgspec.Raw]


class Conflated(Message, frozen=True, tag="conflated"):
    """So many values were left out, since the client was too slow for them."""

    dropped: int


class Subscribed(Message, frozen=True, tag="subscribed", omit_defaults=False):
    """What a client is now subscribed to, of what it has just asked for."""

    id: int | str | None
    channel: str
    keys: list[str]


class Unsubscribed(Message, frozen=True, tag="unsubscribed", omit_defaults=False):
    """What a client has left."""

    id: int | str | None
    channel: str
    keys: list[str]


class Authenticated(Message, frozen=True, tag="authenticated", omit_defaults=False):
    """The key was good."""

    id: int | str | None


class Pong(Message, frozen=True, tag="pong", omit_defaults=False):
    """The answer to a ping."""

    id: int | str | None
    ts: str


class ErrorMessage(Message, frozen=True, tag="error", omit_defaults=False):
    """What was asked for was not done; the socket stays up."""

    id: int | str | None
    code: str
    detail: str


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """Once a second: the line to the client is open."""

    ts: str


class Status(Message, frozen=True, tag="status", omit_defaults=False):
    """A subscribed market went out of sight (`reason` says why) or came back (`live`)."""

    channel: Literal["feeds"]
    key: str
    status: str
    reason: str | None
    ts_event: str


class Reconnect(Message, frozen=True, tag="reconnect"):
    """This gateway stops soon; another one answers."""

    within_seconds: int


def frame(message: Message, form: Format) -> bytes:
    """Return a message as a websocket frame. A server's frames are the same for every client."""
    payload = encode(message, form)
    size = len(payload)
    first = _FINAL | _OPCODE[form]
    if size < _SHORT:
        return bytes((first, size)) + payload
    if size < _LONG:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload


def update_of(channel: str, item: Item, form: Format) -> Update:
    """Return an item as an update."""
    message = item.message(form)
    return Update(channel, *_fields(message), message.revised)


def snapshot_of(channel: str, item: Item, form: Format) -> Snapshot:
    """Return an item as a snapshot."""
    return Snapshot(channel, *_fields(item.message(form)))


def batch_of(channel: str, items: Sequence[Item], form: Format) -> Batch:
    """Return items as one batch."""
    return Batch(channel, [item.encoded(form) for item in items])


def _fields(
    message: ItemMessage,
) -> tuple[str, int | None, int | None, str | None, str | None, msgspec.Raw]:
    return (
        message.key,
        message.seq,
        message.prev_seq,
        message.ts_event,
        message.ts_publish,
        message.data,
    )
