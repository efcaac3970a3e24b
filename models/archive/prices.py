"""Prices as text: the shortest decimal that is the same float64."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def shortest_decimal(price: float) -> str:
    """Return the shortest decimal, without an exponent, that reads as this float64.

    It is the wire's price digit for digit, but for trailing zeros.

    >>> shortest_decimal(64210.10), shortest_decimal(100.0), shortest_decimal(1.2e-07)
    ('64210.1', '100', '0.00000012')
    """
    return np.format_float_positional(price, unique=True, trim="-")


def price_text(prices: NDArray[np.float64]) -> pa.Array:
    """Return prices as strings, null for NaN; each price is formatted once."""
    # By their bits: NaN is not equal to itself, and -0.0 is not 0.0.
    bits, codes = np.unique(prices.view(np.int64), return_inverse=True)
    distinct = bits.view(np.float64)
    texts = pa.array(
        [None if np.isnan(price) else shortest_decimal(float(price)) for price in distinct],
        pa.string(),
    )
    return texts.take(pa.array(codes.astype(np.int32)))
