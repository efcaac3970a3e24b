"""How often a limit order by the rule would have been filled, out of what happened.

Every moment of the past is taken as a placement. It counts as filled when, within the horizon, a
trade went *through* its price: at the price itself the queue before us would have come first, so
this is the cautious end. The price is made from what was known at the placement alone.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.orders.limit_price import Side

Floats = NDArray[np.float64]

STANDARD_NORMAL_95 = 1.959963984540054
"""Between ± this lie 95 % of a standard normal distribution."""


class PastSteps(msgspec.Struct, frozen=True):
    """A market at equal steps, oldest first; every array has shape (n,).

    `price` is where the rule would have put the order at the step's end, `mid` the mid then (both
    NaN where undefined); `low` and `high` are the trades within the step (+∞ and −∞ without one).
    `seen` says whether the step was seen.
    """

    price: Floats
    mid: Floats
    low: Floats
    high: Floats
    seen: NDArray[np.bool_]


class FillRate(msgspec.Struct, frozen=True):
    """What became of the placements.

    `rate` of `n` with a 95 % interval; `miss_drift_bps` is how far, on average over `misses`, the
    mid had moved away from us at the horizon. Without placements they are None.
    """

    rate: float | None
    n: int
    low: float | None
    high: float | None
    miss_drift_bps: float | None
    misses: int


def fill_rate(side: Side, past: PastSteps, horizon: int) -> FillRate:
    """Return the fill rate within `horizon` steps.

    Placements less than a horizon apart see the same trades, so the interval (Wilson 1927) counts
    n ÷ horizon of them.
    """
    count = len(past.price) - horizon
    if count <= 0:
        return FillRate(None, 0, None, None, None, 0)
    price = past.price[:count]
    ahead = slice(1, count + horizon)
    placed = np.isfinite(price) & sliding_window_view(past.seen[ahead], horizon).all(axis=1)
    if side == "buy":
        filled = sliding_window_view(past.low[ahead], horizon).min(axis=1) < price
        sign = 1.0
    else:
        filled = sliding_window_view(past.high[ahead], horizon).max(axis=1) > price
        sign = -1.0
    n = int(placed.sum())
    if n == 0:
        return FillRate(None, 0, None, None, None, 0)
    rate = float(filled[placed].mean())
    later = past.mid[horizon : horizon + count]
    missed = placed & ~filled & np.isfinite(later) & np.isfinite(past.mid[:count])
    misses = int(missed.sum())
    drift = None
    if misses:
        moved = sign * 1e4 * (later[missed] / past.mid[:count][missed] - 1)
        drift = float(moved.mean())
    low, high = wilson_interval(rate, max(1.0, n / horizon))
    return FillRate(rate, n, low, high, drift, misses)


def wilson_interval(rate: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score.

    >>> [round(end, 4) for end in wilson_interval(0.5, 100)]
    [0.4038, 0.5962]
    """
    square = STANDARD_NORMAL_95 * STANDARD_NORMAL_95
    middle = (rate + square / (2 * n)) / (1 + square / n)
    spread = rate * (1 - rate) / n + square / (4 * n * n)
    half = STANDARD_NORMAL_95 * math.sqrt(spread) / (1 + square / n)
    # At a share of 0 or 1 rounding must not leave the share itself outside.
    return max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half))
