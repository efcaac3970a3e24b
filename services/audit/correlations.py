"""Correlations of a window of returns: pandas, and sums as the contract writes them.

`docs/correlation.md` §3 is the contract.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from services.audit.pieces import Floats, divided
from services.audit.tables import TableShape

FEWEST = 30
_HALF_LIVES = 4
METHODS = ("pearson", "spearman", "ewma")
"""What follows from returns; hayashi_yoshida follows from prices of every second."""

Cells = dict[str, Floats]


def cells(table: TableShape, at: int, returns: pd.DataFrame) -> Cells:
    """Return `correlation` (NaN is null), `n` and `n_effective` at time `at`, as (coins, coins).

    `returns` are those of the window: a row a step (its index, ns), a column a coin.
    """
    k = max(1.0, table.sampling / table.step)
    counts_for = 3 * k / (2 * k * k + 1)
    there = returns.notna().to_numpy(np.float64)
    n = there.T @ there
    effective = n * counts_for
    if table.method == "ewma":
        age = (at - returns.index.to_numpy(np.int64)) / table.window
        weight = np.exp2(-age * _HALF_LIVES)[:, None]
        total, squares = there.T @ (there * weight), there.T @ (there * weight**2)
        effective = divided(total**2, squares) * counts_for
        correlation = _about_zero(returns.fillna(0.0).to_numpy(), there, weight)
    else:
        method = "pearson" if table.method == "pearson" else "spearman"
        correlation = returns.corr(method=method, min_periods=2).to_numpy().copy()  # type: ignore[arg-type]
    effective = np.nan_to_num(effective)
    correlation[effective < FEWEST] = np.nan
    return {"correlation": np.clip(correlation, -1, 1), "n": n, "n_effective": effective}


def _about_zero(values: Floats, there: Floats, weight: Floats) -> Floats:
    products = values.T @ (values * weight)
    squares = (values**2 * weight).T @ there
    return divided(products, np.sqrt(squares * squares.T))
