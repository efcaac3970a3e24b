"""The mids of one source at the end of a second, for the correlation tables. JSON.

Every partition of the topic `closes` gets a copy, since a correlation table needs all coins.
"""

from __future__ import annotations

import msgspec

CLOSES_VERSION = 1


class Closes(msgspec.Struct, frozen=True):
    """One record of the topic `closes`; every list has one value a market.

    `mid` is null where the `mid` of the market's spread row is; `n` are the good quotes whose
    time lies in the second.
    """

    version: int = msgspec.field(name="v")
    exchange: str
    partition: int
    as_of: str
    markets: list[str]
    mid: list[float | None]
    n: list[int]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Closes)


def encode_closes(closes: Closes) -> bytes:
    """Return the Kafka value."""
    return _encoder.encode(closes)


def decode_closes(value: bytes) -> Closes:
    """Return the record of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _decoder.decode(value)
