"""What the correlation agent publishes: the rows of its tables, and their matrices.

`returns` is JSON. `correlations` is msgpack with raw columns: a matrix of a thousand coins has a
million cells, and is cut into blocks of whole rows.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.reasons import Reason

CORRELATIONS_VERSION = 1
LARGEST_BLOCK_BYTES = 512 * 1024

WHY: tuple[Reason | None, ...] = (None, "thin", "warming", "quiet")

_CELLS = {"matrix": "<f8", "n": "<u4", "n_rest": "<u4", "n_effective": "<f8", "why": "u1"}


class Returns(msgspec.Struct, frozen=True):
    """One record of the topic `returns`: one step of one table; every list has one value a coin.

    `price` is the reference price at `as_of` in `quote_currency`, the median over `venues` markets;
    `log_return` is over the table's sampling interval. All of them are null where a coin was not
    seen. `source` is `live` or, of a row before the table's first live one, `rest`: made from
    candles. Of several such records of one `as_of` the last one counts.
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
    of both coins together, and how many of these are made from candles), `n_effective`
    (float64) and `why` (uint8, an index into `WHY`: why a cell is undefined) have shape
    (rows, len(coins)); `sigma` (float64, annualised, NaN where undefined), and `ticks` (float64,
    good quotes a second over the window) shape (len(coins),).
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
    why: bytes
    sigma: bytes
    ticks: bytes

    @property
    def rows(self) -> int:
        """Return how many rows of the matrix are in here."""
        return len(self.matrix) // (8 * len(self.coins)) if self.coins else 0

    def column(self, name: str) -> NDArray[Any]:
        """Return a column that has a value a cell as an array of shape (rows, coins)."""
        flat: NDArray[Any] = np.frombuffer(getattr(self, name), _CELLS[name])
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
