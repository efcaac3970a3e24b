"""Dead letters: input that could not be used, as it came, with its reason and origin."""

from __future__ import annotations

import base64

import msgspec

DEAD_LETTER_VERSION = 1


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where it came from: a place in a topic, or a frame of an exchange with its receive time."""

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    exchange: str | None = None
    receive_time: int | None = None


class DeadLetter(msgspec.Struct, frozen=True):
    """One record of the topic `dead_letters`; key and value are base64, null where there was none.

    `value` of a frame is its UTF-8 text.
    """

    version: int = msgspec.field(name="v")
    reason: str
    detail: str
    origin: Origin
    key: str | None
    value: str | None


def dead_letter(
    reason: str, detail: str, origin: Origin, key: bytes | None, value: bytes | None
) -> bytes:
    """Return the Kafka value of a dead letter."""
    return msgspec.json.encode(
        DeadLetter(
            version=DEAD_LETTER_VERSION,
            reason=reason,
            detail=detail,
            origin=origin,
            key=_text(key),
            value=_text(value),
        )
    )


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")
