"""Items: one new value of one key of a channel, serialised once however many want it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from models.times import iso_microseconds

Format = Literal["json", "msgpack"]
Figures = Mapping[str, Any]

_MILLISECOND = 1_000_000
_ENCODE: dict[Format, Callable[[Any], bytes]] = {
    "json": msgspec.json.Encoder().encode,
    "msgpack": msgspec.msgpack.Encoder().encode,
}


def encode(message: object, form: Format) -> bytes:
    """Return a message as bytes."""
    return _ENCODE[form](message)


class ItemMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item as it travels; `seq` is null where the key has no value yet.

    `revised` (else left out) says that the value takes the place of one that was sent before; it
    stands outside of the chain of `prev_seq`.
    """

    key: str
    seq: int | None
    prev_seq: int | None
    ts_event: str | None
    ts_publish: str | None
    data: msgspec.Raw
    revised: bool = False


class Item:
    """A value of a key, its number `seq` and that of the value before, `prev_seq`.

    `ts_event` is in nanoseconds, `ts_publish` (when it was produced into Kafka) in milliseconds.
    `render` gives the figures; it is asked once a format, when someone wants them. An alias is
    the same value under a second name of its key: only who asks for that name gets it.
    """

    __slots__ = (
        "_data", "_encoded", "_render", "is_alias", "is_revised", "key", "prev_seq", "seq",
        "ts_event", "ts_publish",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        seq: int,
        prev_seq: int | None,
        ts_event: int,
        ts_publish: int,
        render: Callable[[], Figures],
        *,
        is_revised: bool = False,
        is_alias: bool = False,
    ) -> None:
        self.is_revised = is_revised
        self.is_alias = is_alias
        self.key = key
        self.seq = seq
        self.prev_seq = prev_seq
        self.ts_event = ts_event
        self.ts_publish = ts_publish
        self._render = render
        self._data: dict[Format, msgspec.Raw] = {}
        self._encoded: dict[Format, msgspec.Raw] = {}

    def after(self, prev_seq: int | None) -> Item:
        """Return the same value as the follower of another one, since those between were left out.

        What has been serialised already is shared.
        """
        if prev_seq == self.prev_seq or self.is_revised:
            return self
        follower = Item(self.key, self.seq, prev_seq, self.ts_event, self.ts_publish, self._render)
        follower._data = self._data
        return follower

    def narrowed(self, coins: tuple[str, ...] | None) -> Item:  # noqa: ARG002 - of matrices only
        """Return the value over these coins; None is what is usual."""
        return self

    def figures(self) -> Figures:
        """Return the figures."""
        return self._render()

    def message(self, form: Format) -> ItemMessage:
        """Return the item as it travels."""
        data = self._data.get(form)
        if data is None:
            data = self._data[form] = msgspec.Raw(encode(self._render(), form))
        return ItemMessage(
            key=self.key,
            seq=self.seq,
            prev_seq=self.prev_seq,
            ts_event=iso_microseconds(self.ts_event),
            ts_publish=iso_microseconds(self.ts_publish * _MILLISECOND),
            data=data,
            revised=self.is_revised,
        )

    def encoded(self, form: Format) -> msgspec.Raw:
        """Return the item as it stands in a batch."""
        encoded = self._encoded.get(form)
        if encoded is None:
            encoded = self._encoded[form] = msgspec.Raw(encode(self.message(form), form))
        return encoded
