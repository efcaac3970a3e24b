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
    imbalance: list[float | None]
    depth: list[float | None]
    trade_low: list[float | None]
    trade_high: list[float | None]
    trades_n: list[int]


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
    bid_size: list[float | None]
    ask_size: list[float | None]
    imbalance: list[float | None]
    windows: dict[str, SpreadWindow]
    effective_bps: list[float | None]
    trades_n: list[int]
    trades_coverage: list[float]
    realised_5s_bps: list[float | None]
    realised_5s_n: list[int]
    impact_5s_bps: list[float | None]
    realised_60s_bps: list[float | None]
    realised_60s_n: list[int]
    impact_60s_bps: list[float | None]
    baseline_bps: list[float | None]
    baseline_sigma: list[float | None]
    z: list[float | None]
    z_n: list[int]
    half_life_s: list[float | None]
    half_life_n: list[int]
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
