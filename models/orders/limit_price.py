"""Where to put a limit order, and what it costs against crossing the spread at once.

All costs are in basis points of the mid. The order is post-only: it must not meet the other side.
Source: the cost view of Harris, *Trading and Exchanges* (2003), chapters 14 and 21: what a limit
order saves is the spread and the dearer fee; what it pays is adverse selection and the miss.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import InvariantError

Side = Literal["buy", "sell"]
Floats = NDArray[np.float64]

_NEARLY = 1e-12


def limit_prices(
    side: Side, bid: Floats, ask: Floats, mid: Floats, reference_bps: Floats, tick: float
) -> Floats:
    """Return, for every moment, the price of a passive order that earns the reference spread.

    Buy: `mid (1 − ½ reference/10⁴)` down to the tick, within `[bid, ask − tick]`; sell mirrored.
    Shapes (n,); NaN where an input is NaN.

    Raises:
        InvariantError: the tick is not above 0.

    >>> at = [np.array([price]) for price in (99.94, 100.06, 100.0)]
    >>> limit_prices("buy", *at, np.array([6.0]), 0.01).tolist()
    [99.97]
    """
    if not tick > 0:
        raise InvariantError(f"expected a tick above 0, was {tick}")
    half = 0.5 * reference_bps / 1e4
    if side == "buy":
        wanted = to_tick(mid * (1 - half), tick, np.floor)
        lowest, highest = bid, to_tick(ask, tick, np.ceil) - tick
        inside = np.minimum(np.maximum(wanted, lowest), highest)
    else:
        wanted = to_tick(mid * (1 + half), tick, np.ceil)
        lowest, highest = to_tick(bid, tick, np.floor) + tick, ask
        inside = np.maximum(np.minimum(wanted, highest), lowest)
    return to_tick(inside, tick, np.rint)


def limit_price(
    side: Side, bid: float, ask: float, mid: float, reference_bps: float, tick: float
) -> float:
    """Return the price of one moment, as `limit_prices` does.

    >>> limit_price("sell", 99.94, 100.06, 100.0, 6.0, 0.01)
    100.03
    """
    one = [np.array([each]) for each in (bid, ask, mid, reference_bps)]
    return float(limit_prices(side, one[0], one[1], one[2], one[3], tick)[0])


def to_tick(prices: Floats, tick: float, rounded: np.ufunc) -> Floats:
    """Return prices on the grid of `tick`; `rounded` is `np.floor`, `np.ceil` or `np.rint`.

    A price that is on the grid already stays, whatever binary noise its quotient has.
    """
    quotient = prices / tick
    nearest = np.rint(quotient)
    is_there = np.abs(quotient - nearest) <= _NEARLY * np.abs(quotient) + 1e-9
    steps = np.where(is_there, nearest, rounded(quotient))
    exponent = Decimal(repr(tick)).normalize().as_tuple().exponent
    result: Floats = np.round(steps * tick, max(0, -int(exponent)))
    return result


def taker_cost_bps(spread_bps: float, taker_bps: float) -> float:
    """Return what crossing costs: half the spread and the taker's fee.

    >>> taker_cost_bps(12.0, 40.0)
    46.0
    """
    return 0.5 * spread_bps + taker_bps


def maker_cost_bps(
    side: Side, price: float, mid: float, maker_bps: float, adverse_bps: float
) -> float:
    """Return what a filled limit order costs; negative when it earns.

    `adverse_bps` is the adverse selection: half the price impact of trades.

    >>> round(maker_cost_bps("buy", 99.97, 100.0, 25.0, 0.0), 9)
    22.0
    """
    sign = 1.0 if side == "buy" else -1.0
    return sign * 1e4 * (price / mid - 1) + maker_bps + adverse_bps


def break_even_probability(taker_cost: float, maker_cost: float, chase_bps: float) -> float | None:
    """Return the fill probability above which the limit order is the cheaper one.

    After a miss the price is chased: `chase_bps` is how far it has moved away. With
    `q C_M + (1 − q)(C_T + δ) = C_T` follows `q = δ/(C_T + δ − C_M)`. None where no probability
    does: the limit order costs more than crossing even when it is filled.

    >>> round(break_even_probability(46.0, 22.0, 10.0), 3)
    0.294
    >>> break_even_probability(20.0, 25.0, 2.0) is None
    True
    """
    if maker_cost >= taker_cost:
        return None
    return max(0.0, chase_bps) / (taker_cost + max(0.0, chase_bps) - maker_cost)
