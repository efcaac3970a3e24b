"""Rows made for tests, and figures computed the plain way: pair by pair, with loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.statistics.correlation import Rows, Seconds

Floats = NDArray[np.float64]


def rows_of(returns: Any, **others: Any) -> Rows:
    """Return rows of one-minute returns that each count once, but for what is given."""
    values = np.asarray(returns, dtype=np.float64)
    count, coins = values.shape
    columns = {
        "weight": np.ones(count),
        "is_rest": np.zeros(count, np.bool_),
        "warming": np.zeros(coins, np.bool_),
        "age_s": 60.0 * np.arange(count)[::-1],
        "sampling_s": 60.0,
        "window_s": 60.0 * max(count, 1),
    }
    return Rows(values, **(columns | others))


def seconds_of(log_price: Any) -> Seconds:
    """Return seconds of coins none of which is warming."""
    values = np.asarray(log_price, dtype=np.float64)
    return Seconds(values, np.zeros(values.shape[1], np.bool_))


def correlated(seed: int, rows: int, coins: int, holes: float = 0.0) -> Floats:
    """Return returns of one factor and own noise, each missing with the probability `holes`."""
    random = np.random.default_rng(seed)
    returns = random.standard_normal((rows, 1)) + random.standard_normal((rows, coins))
    returns *= 1e-4
    returns[random.random(returns.shape) < holes] = np.nan
    return returns


def exact_pearson(a: Floats, b: Floats) -> float:
    """Return the correlation of whole columns, every sum rounded once; NaN where one is constant.

    The mean subtracted is the nearest float; what that leaves out is put right in the sums.
    """
    n = len(a)
    centred = []
    for column in (a.tolist(), b.tolist()):
        mean = math.fsum(column) / n
        first = [value - mean for value in column]
        rest = math.fsum(first) / n
        centred.append([value - rest for value in first])
    if any(min(column.tolist()) == max(column.tolist()) for column in (a, b)):
        return math.nan
    products = [
        math.fsum(x * y for x, y in zip(centred[i], centred[j], strict=True))
        for i, j in ((0, 1), (0, 0), (1, 1))
    ]
    return products[0] / math.sqrt(products[1]) / math.sqrt(products[2])


def looped_ewma(a: Floats, b: Floats, weights: Sequence[float]) -> tuple[float, float]:
    """Return the weighted correlation about zero, and (Σw)² ÷ Σw², of two columns with holes."""
    joint = [
        (x, y, w)
        for x, y, w in zip(a.tolist(), b.tolist(), weights, strict=True)
        if not math.isnan(x) and not math.isnan(y)
    ]
    total = math.fsum(w for _, _, w in joint)
    squares = math.fsum(w * w for _, _, w in joint)
    xx, yy = math.fsum(w * x * x for x, _, w in joint), math.fsum(w * y * y for _, y, w in joint)
    xy = math.fsum(w * x * y for x, y, w in joint)
    return xy / math.sqrt(xx) / math.sqrt(yy), total**2 / squares


def increments(log_price: Floats) -> list[tuple[int, int, float]]:
    """Return (from, to, change) of one coin's increments, second by second."""
    found: list[tuple[int, int, float]] = []
    observed: int | None = None
    for second, price in enumerate(log_price.tolist()):
        if math.isnan(price):
            observed = None
        elif observed is None:
            observed = second
        elif price != log_price[second - 1]:
            found.append((observed, second, price - log_price[observed]))
            observed = second
    return found


def looped_hayashi_yoshida(a: Floats, b: Floats) -> tuple[float, int]:
    """Return the estimate, not cut, and the lesser number of increments, by the double loop."""
    first, second = increments(a), increments(b)
    covariance = math.fsum(
        x * y
        for from_a, to_a, x in first
        for from_b, to_b, y in second
        if max(from_a, from_b) < min(to_a, to_b)
    )
    squares = [math.fsum(x * x for _, _, x in each) for each in (first, second)]
    if 0.0 in squares:
        return math.nan, min(len(first), len(second))
    estimate = covariance / math.sqrt(squares[0]) / math.sqrt(squares[1])
    return estimate, min(len(first), len(second))
