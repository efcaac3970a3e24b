"""What the methods take: the rows of a table's window."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import InvariantError

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

YEAR_S = 365 * 86_400


def row_weight(sampling_s: float, step_s: float) -> float:
    """Return for how many independent rows one counts whose return overlaps its neighbours'.

    With k = sampling ÷ step it is 3k/(2k² + 1), the limit for long windows of Var(r of separate
    returns) over Var(r of returns that overlap k-fold); 1 for rows that do not overlap (k ≤ 1).

    >>> row_weight(60, 60), round(row_weight(60, 10), 4)
    (1.0, 0.2466)
    """
    k = max(1.0, sampling_s / step_s)
    return 3.0 * k / (2.0 * k * k + 1.0)


class Rows(msgspec.Struct, frozen=True):
    """The rows of a window, oldest first: T rows of N coins.

    Attributes:
        returns: log returns over `sampling_s`, shape (T, N); NaN where missing, never infinite.
        weight: for how many rows each one counts in the effective n, shape (T,); see `row_weight`.
        is_rest: whether a row is made from candles, shape (T,).
        warming: whether a coin's first row is less than a window ago, shape (N,).
        age_s: seconds from each row to the step, shape (T,); `ewma` alone reads it.
        sampling_s: seconds that a return spans.
        window_s: seconds that the window spans.

    Raises:
        InvariantError: shapes do not fit, or a return is infinite.
    """

    returns: Floats
    weight: Floats
    is_rest: Booleans
    warming: Booleans
    age_s: Floats
    sampling_s: float
    window_s: float

    def __post_init__(self) -> None:
        """Hold the arrays to their shapes."""
        rows, coins = self.returns.shape
        found = (self.weight.shape, self.is_rest.shape, self.age_s.shape, self.warming.shape)
        if found != ((rows,), (rows,), (rows,), (coins,)):
            raise InvariantError(f"expected columns for {rows} rows of {coins} coins, was {found}")
        # Sums run in the order of memory: one layout, one result.
        msgspec.structs.force_setattr(self, "returns", np.ascontiguousarray(self.returns))
        if np.isinf(self.returns).any():
            raise InvariantError("expected finite returns or NaN, was an infinite one")


class Seconds(msgspec.Struct, frozen=True):
    """Prices of every second of a window `(t − window, t]`, oldest first: T seconds of N coins.

    Attributes:
        log_price: logarithms of the price at the end of each second, shape (T, N); NaN where
            missing.
        warming: whether a coin's first row is less than a window ago, shape (N,).
        second_s: how long such a second is; 1 but in files sampled otherwise.

    Raises:
        InvariantError: shapes do not fit, or a price is infinite.
    """

    log_price: Floats
    warming: Booleans
    second_s: float = 1.0

    def __post_init__(self) -> None:
        """Hold the arrays to their shapes."""
        coins = self.log_price.shape[1]
        if self.warming.shape != (coins,):
            raise InvariantError(f"expected {coins} coins in warming, was {self.warming.shape}")
        msgspec.structs.force_setattr(self, "log_price", np.ascontiguousarray(self.log_price))
        if np.isinf(self.log_price).any():
            raise InvariantError("expected finite prices or NaN, was an infinite one")
