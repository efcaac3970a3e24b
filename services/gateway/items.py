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


def encoded_by_row(figures: Figures, form: Format) -> bytes:
    """Return figures as bytes, their matrices row by row.

    An encoder lets no other thread in before it is done.
    """
    return encode({name: _by_row(value, form) for name, value in figures.items()}, form)


def _by_row(value: Any, form: Format) -> Any:
    if not (isinstance(value, list) and value and isinstance(value[0], list)):
        return value
    return [msgspec.Raw(encode(row, form)) for row in value]


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
        follower = self._copy()
        follower.prev_seq = prev_seq
        follower._data = self._data
        return follower

    def _copy(self) -> Item:
        return Item(self.key, self.seq, None, self.ts_event, self.ts_publish, self._render)

    def narrowed(self, coins: tuple[str, ...] | None) -> Item:  # noqa: ARG002 - of matrices only
        """Return the value over these coins; None is what is usual."""
        return self

    def is_slow(self, form: Format) -> bool:  # noqa: ARG002 - of matrices only
        """Return whether it takes long to serialise, and has not been."""
        return False

    def rendering(self, form: Format) -> Callable[[], None]:
        """Return what serialises the figures of now; any thread may call it."""
        self._serialised(form)
        return _nothing

    def figures(self) -> Figures:
        """Return the figures."""
        return self._render()

    def message(self, form: Format) -> ItemMessage:
        """Return the item as it travels."""
        return ItemMessage(
            key=self.key,
            seq=self.seq,
            prev_seq=self.prev_seq,
            ts_event=iso_microseconds(self.ts_event),
            ts_publish=iso_microseconds(self.ts_publish * _MILLISECOND),
            data=self._serialised(form),
            revised=self.is_revised,
        )

    def _serialised(self, form: Format) -> msgspec.Raw:
        data = self._data.get(form)
        if data is None:
            data = self._data[form] = msgspec.Raw(encode(self._render(), form))
        return data

    def encoded(self, form: Format) -> msgspec.Raw:
        """Return the item as it stands in a batch."""
        encoded = self._encoded.get(form)
        if encoded is None:
            encoded = self._encoded[form] = msgspec.Raw(encode(self.message(form), form))
        return encoded


def _nothing() -> None:
    pass
