"""Differences and middles of decimal prices, free of binary noise.

Prices are decimals of at most 15 significant digits, which float64 holds faithfully; their
difference is a decimal too, but float64 subtraction gives 0.010000000002037268 for
61824.01 − 61824. Rounding to the 15th digit of the price gives the decimal's own float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DIGITS = 15
_MOST_DECIMALS = 22  # 10^22 is the largest power of ten that float64 holds exactly


def price_difference(high: NDArray[np.float64], low: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `high − low` rounded to the 15th significant digit of the larger; NaN stays NaN.

    >>> price_difference(np.array([61824.01, 0.13108]), np.array([61824.0, 0.13099])).tolist()
    [0.01, 9e-05]
    """
    return _rounded(high - low, np.maximum(high, low))


def price_middle(bid: NDArray[np.float64], ask: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middle of two prices, rounded likewise.

    >>> price_middle(np.array([61824.0]), np.array([61824.01])).tolist()
    [61824.005]
    """
    return _rounded((bid + ask) / 2, np.maximum(bid, ask))


def _rounded(values: NDArray[np.float64], like: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        whole_digits = np.floor(np.log10(np.abs(like))) + 1
        scale = 10.0 ** np.clip(np.nan_to_num(_DIGITS - whole_digits), 0, _MOST_DECIMALS)
        result: NDArray[np.float64] = np.rint(values * scale) / scale
    return result
