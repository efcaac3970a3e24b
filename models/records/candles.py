"""One-minute candles of a market as an exchange's REST interface gave them. JSON.

Every partition of the topic `candles` gets a copy: bars need those of their coins, a correlation
table those of all.
"""

from __future__ import annotations

import msgspec

CANDLES_VERSION = 1
CANDLE_SECONDS = 60


class Candles(msgspec.Struct, frozen=True):
    """One record of the topic `candles`: finished minutes of one market, oldest first.

    `start` are whole seconds since the epoch, multiples of 60, rising; minutes that the exchange
    left out are left out here. `volume` is in the base asset. `quote_volume` (Σ price × size) and
    `trades` (their count) are null where the exchange does not tell them.
    """

    version: int = msgspec.field(name="v")
    market: str
    fetched_at: str
    start: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    quote_volume: list[float | None]
    trades: list[int | None]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Candles)


def encode_candles(candles: Candles) -> bytes:
    """Return the Kafka value."""
    return _encoder.encode(candles)


def decode_candles(value: bytes) -> Candles:
    """Return the record of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _decoder.decode(value)
