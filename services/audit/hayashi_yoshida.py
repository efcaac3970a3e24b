"""Hayashi and Yoshida's correlation of prices of every second.

T. Hayashi and N. Yoshida, On covariance estimation of non-synchronously observed diffusion
processes, Bernoulli 11(2), 2005. `docs/correlation.md` §3 says what an observation is.
"""

from __future__ import annotations

import numpy as np

from services.audit.correlations import FEWEST, Cells
from services.audit.pieces import Floats, Times, divided

_ROUNDING = 1e-13


def cells_of_prices(price: Floats, currency: Floats) -> Cells:
    """Return `correlation` (NaN is null), `n` and `n_effective` of a window, as (coins, coins).

    Both have a line a second, the one before the window first, and a column a coin; NaN is none.

    Two increments that overlap do so from the later one of their beginnings on: there one begins
    while the other lasts. So the sum over all that overlap is, over the seconds, what begins times
    what lasts, both ways, less what begins together, which that counts twice.
    """
    coins = price.shape[1]
    begins, lasts = np.zeros_like(price[1:]), np.zeros_like(price[1:])
    squares, n = np.zeros(coins), np.zeros(coins)
    for coin in range(coins):
        start, stop, move = _increments(price[:, coin], currency[:, coin])
        begins[start, coin] = move
        seconds = np.repeat(stop - np.cumsum(stop - start), stop - start)
        lasts[seconds + np.arange(len(seconds)), coin] = np.repeat(move, stop - start)
        squares[coin], n[coin] = float((move**2).sum()), len(move)
    both = begins.T @ lasts
    covariance = both + both.T - begins.T @ begins
    correlation = np.clip(divided(covariance, np.sqrt(np.outer(squares, squares))), -1, 1)
    lesser = np.minimum.outer(n, n)
    correlation[lesser < FEWEST] = np.nan
    return {"correlation": correlation, "n": lesser, "n_effective": lesser}


def _increments(price: Floats, currency: Floats) -> tuple[Times, Times, Floats]:
    """Return from which second of the window to which one the price moved, and by how much."""
    there = ~np.isnan(price)
    changed = there[1:] & there[:-1] & (currency[1:] != currency[:-1])
    there, price = there[1:] & ~changed, price[1:]
    seen = np.flatnonzero(there)
    if not len(seen):
        return seen, seen, np.zeros(0)
    # Seconds in a row, none missing, are a stretch.
    stretch = np.cumsum(np.diff(seen, prepend=seen[0]) > 1)
    # The same mean of two mids may come out one bit apart: that is no move.
    moved = np.append(True, np.abs(np.diff(price[seen])) > _ROUNDING * price[seen][1:])
    moved[1:] |= np.diff(stretch) > 0
    observed, stretch = seen[moved], stretch[moved]
    together = stretch[1:] == stretch[:-1]
    start, stop = observed[:-1][together], observed[1:][together]
    return start, stop, np.log(price[stop] / price[start])
