"""The published spreads of one source and second: columns over its markets, as JSON.

Field names and meanings are those of the public interface; `reasons` holds, per market, an
object from field path to reason. Undefined is `null`.
"""

from __future__ import annotations

import msgspec

from models.records.reasons import Reason

SPREADS_VERSION = 1


class SpreadWindow(msgspec.Struct, frozen=True):
    """One rolling window; every field has one value a market."""

    mean: list[float | None]
    mean_bps: list[float | None]
    tick_mean: list[float | None]
    min: list[float | None]
    max: list[float | None]
    n: list[int]
    coverage: list[float]


class Spreads(msgspec.Struct, frozen=True):
    """One record of the topic `spreads`."""

    version: int = msgspec.field(name="v")
    exchange: str
    partition: int
    as_of: str
    markets: list[str]
    bid: list[float | None]
    ask: list[float | None]
    mid: list[float | None]
    spread: list[float | None]
    spread_bps: list[float | None]
    windows: dict[str, SpreadWindow]
    stale: list[bool]
    reasons: list[dict[str, Reason]]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Spreads)


def encode_spreads(spreads: Spreads) -> bytes:
    """Return the Kafka value."""
    return _encoder.encode(spreads)


def decode_spreads(value: bytes) -> Spreads:
    """Return the record of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _decoder.decode(value)
