"""Which exchange a frame without a label is of, and the time it carries.

Source: docs/from-frames-to-figures.md, and the vendors' pages named in `exchanges`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from agents.ingestion.exchanges.fields import UNDECODABLE, Milliseconds, time_of
from models.errors import FrameError

_NONE = msgspec.Raw()


class _Keys(msgspec.Struct, gc=False):
    """The keys that tell the exchanges apart, whatever their values are."""

    channel: msgspec.Raw = _NONE
    method: msgspec.Raw = _NONE
    success: msgspec.Raw = _NONE
    type: msgspec.Raw = _NONE
    stream: msgspec.Raw = _NONE
    e: msgspec.Raw = _NONE
    u: msgspec.Raw = _NONE
    id: msgspec.Raw = _NONE
    code: msgspec.Raw = _NONE
    lastUpdateId: msgspec.Raw = _NONE  # noqa: N815  (the exchange's)


class _CoinbaseTime(msgspec.Struct, gc=False):
    time: str | None = None


class _KrakenItem(msgspec.Struct, gc=False):
    timestamp: str | None = None


class _KrakenTimes(msgspec.Struct, gc=False):
    data: list[_KrakenItem] = []


class _BinanceTimes(msgspec.Struct, gc=False):
    E: Milliseconds = 0
    T: Milliseconds = 0


class _BinanceFrame(_BinanceTimes):
    data: _BinanceTimes | None = None


class Shape(msgspec.Struct, frozen=True, gc=False):
    """What a frame looks like; `own_time` is in nanoseconds, 0 where it has none."""

    exchange: str
    kind: Literal["frame", "rest"]
    own_time: int


_KEYS = msgspec.json.Decoder(_Keys)
_COINBASE = msgspec.json.Decoder(_CoinbaseTime)
_KRAKEN = msgspec.json.Decoder(_KrakenTimes)
_BINANCE = msgspec.json.Decoder(_BinanceFrame)


def shape_of(frame: str) -> Shape | None:
    """Return what a frame looks like; None when it looks like no exchange's."""
    try:
        keys = _KEYS.decode(frame)
    except UNDECODABLE:
        return None
    if keys.channel or keys.method or keys.success:
        return Shape("kraken", "frame", _own_time(_kraken_time, frame))
    if keys.type:
        return Shape("coinbase", "frame", _own_time(_coinbase_time, frame))
    if keys.lastUpdateId:
        return Shape("binance", "rest", 0)
    if keys.stream or keys.e or keys.u or keys.id or keys.code:
        return Shape("binance", "frame", _own_time(_binance_time, frame))
    return None


def _own_time(read: Callable[[str], int], frame: str) -> int:
    """Return the time that `read` finds; a frame that it cannot read has none."""
    try:
        return read(frame)
    except (*UNDECODABLE, FrameError):
        return 0


def _coinbase_time(frame: str) -> int:
    return time_of(_COINBASE.decode(frame).time)


def _kraken_time(frame: str) -> int:
    return max((time_of(item.timestamp) for item in _KRAKEN.decode(frame).data), default=0)


def _binance_time(frame: str) -> int:
    outer = _BINANCE.decode(frame)
    times = outer.data or outer
    return max(times.E, times.T) * 1_000_000
