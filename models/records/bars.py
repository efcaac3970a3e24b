"""Bars and indicators of one source at the end of an interval: columns over its markets. JSON.

Field names and meanings are those of the public interface; undefined is `null`, and `reasons`
holds, per market, an object from field to reason.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from models.records.reasons import Reason

BARS_VERSION = 1

BarInterval = Literal["1m", "5m", "1h", "1d"]
BarSource = Literal["live", "rest", "capture", "mixed"]
"""`rest` is from candles, `capture` a backfilled bar of recorded frames (never in the topic)."""

INTERVAL_SECONDS: dict[BarInterval, int] = {"1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}


class Bars(msgspec.Struct, frozen=True):
    """One record of the topic `bars`.

    `start` and `as_of`, its end, are ISO-8601. `volume` is in the base asset, `quote_volume` is
    Σ price × size, `n` counts the trades, `first_trade` and `last_trade` are their times in
    nanoseconds since the epoch. `coverage` is the share of the interval in which trades were seen
    (0 for what came from REST alone).
    """

    version: int = msgspec.field(name="v")
    exchange: str
    partition: int
    interval: BarInterval
    start: str
    as_of: str
    markets: list[str]
    open: list[float | None]
    high: list[float | None]
    low: list[float | None]
    close: list[float | None]
    volume: list[float | None]
    quote_volume: list[float | None]
    vwap: list[float | None]
    n: list[int | None]
    first_trade: list[int | None]
    last_trade: list[int | None]
    coverage: list[float]
    source: list[BarSource]
    reasons: list[dict[str, Reason]]


class Indicators(msgspec.Struct, frozen=True):
    """One record of the topic `indicators`: figures over the bars up to the one that ends `as_of`.

    `n` is how many bars in a row stand behind them, `source` whether any of those is from REST.
    """

    version: int = msgspec.field(name="v")
    exchange: str
    partition: int
    interval: BarInterval
    as_of: str
    markets: list[str]
    n: list[int]
    sma_20: list[float | None]
    ema_20: list[float | None]
    bollinger_upper: list[float | None]
    bollinger_lower: list[float | None]
    rsi_14: list[float | None]
    atr_14: list[float | None]
    realised_volatility: list[float | None]
    vwap_20: list[float | None]
    source: list[BarSource]
    reasons: list[dict[str, Reason]]


_encoder = msgspec.json.Encoder()
_bars = msgspec.json.Decoder(Bars)
_indicators = msgspec.json.Decoder(Indicators)


def encode_bars(record: Bars | Indicators) -> bytes:
    """Return the Kafka value."""
    return _encoder.encode(record)


def decode_bars(value: bytes) -> Bars:
    """Return the record of a Kafka value of the topic `bars`.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _bars.decode(value)


def decode_indicators(value: bytes) -> Indicators:
    """Return the record of a Kafka value of the topic `indicators`.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _indicators.decode(value)
