"""Sums whose bits depend on nothing but the numbers and their order.

`np.sum` adds in pairs along a contiguous axis, so its last bits change with the length of the
axis and with padding. Here rows are added one after the other, first to last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sum_in_order(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the sum of `rows`, shape (n, …), along the first axis, one row after the other.

    >>> sum_in_order(np.array([[1e16, 1.0], [1.0, 2.0], [1.0, 3.0]])).tolist()
    [1e+16, 6.0]
    """
    if len(rows) and rows[0].size < 2:
        # A single column would be taken for a contiguous axis and added in pairs.
        result: NDArray[Any] = np.add.accumulate(rows, axis=0)[-1]
        return result
    added: NDArray[Any] = np.add.reduce(rows, axis=0)
    return added


def sum_by_market(
    market: NDArray[np.uint16], values: NDArray[Any], markets: int
) -> NDArray[np.float64]:
    """Return for each of `markets` the sum of its values, added in the order they come in.

    >>> sum_by_market(np.array([1, 0, 1], np.uint16), np.array([1.0, 2.0, 3.0]), 3).tolist()
    [2.0, 4.0, 0.0]
    """
    added: NDArray[Any] = np.bincount(market, values, markets)
    return added


def count_by_market(market: NDArray[np.uint16], markets: int) -> NDArray[np.float64]:
    """Return for each of `markets` how often it comes.

    >>> count_by_market(np.array([1, 0, 1], np.uint16), 3).tolist()
    [1.0, 2.0, 0.0]
    """
    return np.bincount(market, minlength=markets).astype(np.float64)
