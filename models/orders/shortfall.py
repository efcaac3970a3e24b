"""What passive orders by the rule saved against crossing at once, placement by placement.

The cost of an order is its implementation shortfall (Perold 1988): what was paid against the mid
at the decision, fees included. A filled order pays its price and the maker's fee; a missed one
crosses at the horizon and pays the taker's. Placements overlap, so the standard error of the mean
is that of Newey & West (1987) with the horizon as its lag.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.fees import Fees
from models.orders.fill_rate import STANDARD_NORMAL_95
from models.orders.limit_price import Side

Floats = NDArray[np.float64]


class Seconds(msgspec.Struct, frozen=True):
    """A market second by second, oldest first; every array has shape (n,).

    `price` is the limit price of an order placed at the second's end, from what was known then;
    `bid` and `ask` are in force then. NaN where undefined. `low` and `high` are the trades within
    the second (+∞ and −∞ without one), `seen` says whether it was seen.
    """

    price: Floats
    bid: Floats
    ask: Floats
    low: Floats
    high: Floats
    seen: NDArray[np.bool_]


class Saving(msgspec.Struct, frozen=True):
    """The mean saving in bps over `n` placements, its 95 % interval, and how many were filled.

    `left_out` are placements without a price, or with an unseen second before their end.
    """

    mean_bps: float | None
    low_bps: float | None
    high_bps: float | None
    n: int
    filled: int
    left_out: int


def saving(side: Side, seconds: Seconds, fees: Fees, horizon: int, every: int) -> Saving:
    """Return what orders placed every `every` seconds saved, each alive for `horizon` seconds."""
    possible = max(0, len(seconds.price) - horizon)
    at = np.arange(0, possible, every)
    if not len(at):
        return Saving(None, None, None, 0, 0, 0)
    sign = 1.0 if side == "buy" else -1.0
    cross = seconds.ask if side == "buy" else seconds.bid
    mid = ((seconds.bid + seconds.ask) / 2)[at]
    price = seconds.price[at]
    ahead = slice(1, possible + horizon)
    if side == "buy":
        filled = sliding_window_view(seconds.low[ahead], horizon)[at].min(axis=1) < price
    else:
        filled = sliding_window_view(seconds.high[ahead], horizon)[at].max(axis=1) > price
    at_once = sign * 1e4 * (cross[at] / mid - 1) + fees.taker_bps
    passive = sign * 1e4 * (price / mid - 1) + fees.maker_bps
    chased = sign * 1e4 * (cross[at + horizon] / mid - 1) + fees.taker_bps
    saved = at_once - np.where(filled, passive, chased)
    good = sliding_window_view(seconds.seen[ahead], horizon)[at].all(axis=1) & np.isfinite(saved)
    good &= np.isfinite(price)
    kept = saved[good]
    n = len(kept)
    if n == 0:
        return Saving(None, None, None, 0, 0, len(at))
    mean = float(kept.mean())
    error = newey_west_error(kept, max(0, math.ceil(horizon / every) - 1))
    return Saving(
        mean,
        mean - STANDARD_NORMAL_95 * error,
        mean + STANDARD_NORMAL_95 * error,
        n,
        int(filled[good].sum()),
        len(at) - n,
    )


def newey_west_error(values: Floats, lag: int) -> float:
    """Return the standard error of the mean of a series, Bartlett weights up to `lag`.

    Shape (n,). Source: Newey & West 1987, Econometrica 55.

    >>> values = np.array([1.0, 2.0, 3.0, 4.0])
    >>> newey_west_error(values, 0) == float(values.std() / 2)
    True
    """
    n = len(values)
    off = values - values.mean()
    variance = float(off @ off) / n
    for k in range(1, min(lag, n - 1) + 1):
        variance += 2 * (1 - k / (lag + 1)) * float(off[k:] @ off[:-k]) / n
    return math.sqrt(max(0.0, variance) / n)
