"""What the correlation agent publishes: the rows of its tables, and their matrices.

`returns` is JSON. `correlations` is msgpack with raw columns: a matrix of a thousand coins has a
million cells, and is cut into blocks of whole rows.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

CORRELATIONS_VERSION = 1
LARGEST_BLOCK_BYTES = 512 * 1024


class Returns(msgspec.Struct, frozen=True):
    """One record of the topic `returns`: one step of one table; every list has one value a coin.

    `price` is the reference price at `as_of` in `quote_currency`, the median over `venues` markets;
    `log_return` is over the table's sampling interval. All of them are null where a coin was not
    seen. `source` is `rest` for rows made from candles.
    """

    version: int = msgspec.field(name="v")
    table: str
    as_of: str
    coins: list[str]
    price: list[float | None]
    quote_currency: list[str | None]
    venues: list[int]
    log_return: list[float | None]
    masked: list[str]
    source: str


class CorrelationBlock(msgspec.Struct, frozen=True):
    """One record of the topic `correlations`: the rows `first_row …` of a matrix over `coins`.

    Key `table|block`. `matrix` (float64, NaN where undefined), `n` and `n_rest` (uint32; returns
    of both coins together, and how many of these are made from candles) and `n_effective`
    (float64) have shape (rows, len(coins)); `sigma` (float64, annualised, NaN where undefined),
    and `ticks` (float64, good quotes a second over the window) shape (len(coins),).
    """

    version: int = msgspec.field(name="v")
    table: str
    as_of: str
    block: int
    blocks: int
    first_row: int
    coins: list[str]
    masked: list[str]
    matrix: bytes
    n: bytes
    n_rest: bytes
    n_effective: bytes
    sigma: bytes
    ticks: bytes

    @property
    def rows(self) -> int:
        """Return how many rows of the matrix are in here."""
        return len(self.matrix) // (8 * len(self.coins)) if self.coins else 0

    def column(self, name: str) -> NDArray[np.float64] | NDArray[np.uint32]:
        """Return `matrix`, `n`, `n_rest` or `n_effective` as an array of shape (rows, coins)."""
        kind = "<u4" if name in ("n", "n_rest") else "<f8"
        flat: NDArray[np.float64] | NDArray[np.uint32] = np.frombuffer(getattr(self, name), kind)
        return flat.reshape(self.rows, len(self.coins))


_json = msgspec.json.Encoder()
_returns = msgspec.json.Decoder(Returns)
_msgpack = msgspec.msgpack.Encoder()
_block = msgspec.msgpack.Decoder(CorrelationBlock)


def encode_returns(returns: Returns) -> bytes:
    """Return the Kafka value."""
    return _json.encode(returns)


def decode_returns(value: bytes) -> Returns:
    """Return the record of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _returns.decode(value)


def encode_block(block: CorrelationBlock) -> bytes:
    """Return the Kafka value."""
    return _msgpack.encode(block)


def decode_block(value: bytes) -> CorrelationBlock:
    """Return the record of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _block.decode(value)
