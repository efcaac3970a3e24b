"""Bursts: the ticks of one source that arrived together, as one Kafka record of columns.

The value is msgpack, a map by field name. A column is raw little-endian bytes: times `int64`
(nanoseconds since the epoch, UTC), prices and sizes `float64` (NaN for a missing side), `market`
`uint16` (an index into `markets`), `flags` `uint8`, `side` `int8`.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import RecordError

SCHEMA_VERSION = 1

UnseenReason = Literal["gap", "stale", "down"]

EVERY_MARKET = "*"
"""In an unseen interval: every market of the source."""


class TickFlag(IntFlag):
    """What is particular about a tick; a sum of these travels with it."""

    LATE = 1
    CROSSED = 2
    LOCKED = 4
    SNAPSHOT = 8
    CLAMPED = 16
    ONE_SIDED = 32


class Unseen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`[start, end)`: a time in which a market (or `*`, all of the source) could not be seen."""

    market: str
    start: int
    end: int
    reason: UnseenReason


class _Burst(msgspec.Struct, kw_only=True, gc=False):
    version: int
    exchange: str
    partition: int
    epoch: int
    clock: int
    markets: list[str]
    market: bytes
    time: bytes
    receive_time: bytes
    own_time: bytes
    flags: bytes
    unseen: list[Unseen]

    def __len__(self) -> int:
        """Return the number of ticks."""
        return len(self.time) // 8

    def market_codes(self) -> NDArray[np.uint16]:
        """Return the `market` column: indices into `markets`, shape (n,)."""
        return np.frombuffer(self.market, "<u2")


class QuoteBurst(_Burst, kw_only=True, gc=False):
    """The quotes of one source that arrived within one linger; `clock` is how far it is complete.

    `time` is what every figure goes by, `own_time` the exchange's own (0 for none).
    """

    bid: bytes
    bid_size: bytes
    ask: bytes
    ask_size: bytes


class TradeBurst(_Burst, kw_only=True, gc=False):
    """The trades of one source that arrived within one linger; `side` is the taker's, ±1."""

    price: bytes
    size: bytes
    side: bytes
    trade_id: bytes


_WIDTHS = {
    "market": 2,
    "time": 8,
    "receive_time": 8,
    "own_time": 8,
    "flags": 1,
    "bid": 8,
    "bid_size": 8,
    "ask": 8,
    "ask_size": 8,
    "price": 8,
    "size": 8,
    "side": 1,
    "trade_id": 8,
}
_QUOTE_COLUMNS = (
    "market",
    "receive_time",
    "own_time",
    "flags",
    "bid",
    "bid_size",
    "ask",
    "ask_size",
)
_TRADE_COLUMNS = (
    "market",
    "receive_time",
    "own_time",
    "flags",
    "price",
    "size",
    "side",
    "trade_id",
)

_encoder = msgspec.msgpack.Encoder()
_quote_decoder = msgspec.msgpack.Decoder(QuoteBurst)
_trade_decoder = msgspec.msgpack.Decoder(TradeBurst)

AnyBurst = TypeVar("AnyBurst", QuoteBurst, TradeBurst)


def encode_burst(burst: QuoteBurst | TradeBurst) -> bytes:
    """Return the Kafka value of a burst."""
    return _encoder.encode(burst)


def decode_quotes(value: bytes | None) -> QuoteBurst:
    """Return the quote burst of a Kafka value.

    Raises:
        RecordError: `undecodable_record` or `unknown_schema_version`.
    """
    return _decode(value, _quote_decoder, _QUOTE_COLUMNS)


def decode_trades(value: bytes | None) -> TradeBurst:
    """Return the trade burst of a Kafka value.

    Raises:
        RecordError: `undecodable_record` or `unknown_schema_version`.
    """
    return _decode(value, _trade_decoder, _TRADE_COLUMNS)


def _decode(
    value: bytes | None, decoder: msgspec.msgpack.Decoder[AnyBurst], columns: tuple[str, ...]
) -> AnyBurst:
    if value is None:
        raise RecordError("undecodable_record", "expected a burst, was a record without a value")
    try:
        burst = decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_other_version(value)
        raise RecordError("undecodable_record", f"expected a burst, {error}") from error
    if burst.version != SCHEMA_VERSION:
        raise _other_version(burst.version)
    n, odd = divmod(len(burst.time), 8)
    if odd:
        raise RecordError(
            "undecodable_record", f"expected whole times, was {len(burst.time)} bytes"
        )
    for name in columns:
        length = len(getattr(burst, name))
        if length != n * _WIDTHS[name]:
            raise RecordError(
                "undecodable_record",
                f"expected {n * _WIDTHS[name]} bytes of {name} for {n} ticks, was {length}",
            )
    if n and int(burst.market_codes().max()) >= len(burst.markets):
        raise RecordError(
            "undecodable_record",
            f"expected markets below {len(burst.markets)}, was {int(burst.market_codes().max())}",
        )
    return burst


def _refuse_other_version(value: bytes) -> None:
    try:
        version = msgspec.msgpack.decode(value, type=dict[str, object]).get("version")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise _other_version(version)


def _other_version(version: int) -> RecordError:
    return RecordError(
        "unknown_schema_version", f"expected version {SCHEMA_VERSION}, was {version}"
    )
