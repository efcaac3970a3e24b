"""Pearson's correlation of one pair over time."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.records.correlations import WHY
from models.statistics.correlation.interval import interval
from models.statistics.correlation.matrices import LEAST_EFFECTIVE_N
from models.statistics.correlation.rows import Floats

_CHUNK_CELLS = 2_000_000
_THIN, _QUIET = WHY.index("thin"), WHY.index("quiet")


class PairHistory(msgspec.Struct, frozen=True):
    """One value a row, shape (T,): that of the window which ends with the row.

    `correlation`, `low` and `high` are NaN where `why` (an index into `WHY`) is not 0.
    """

    correlation: Floats
    n: NDArray[np.uint32]
    n_effective: Floats
    low: Floats
    high: Floats
    why: NDArray[np.uint8]


def pair_history(
    returns_a: Floats, returns_b: Floats, weight: Floats, window_rows: int
) -> PairHistory:
    """Return Pearson's correlation of `window_rows` rows up to each row, by the same rules.

    All three have shape (T,); a return is NaN where missing. Windows before the first whole one
    reach back to the first row.
    """
    rows = len(weight)
    joint = ~(np.isnan(returns_a) | np.isnan(returns_b))
    empty = np.zeros(window_rows - 1)
    columns = [
        sliding_window_view(np.concatenate([empty, np.where(joint, column, 0.0)]), window_rows)
        for column in (returns_a, returns_b, weight, np.ones(rows))
    ]
    correlation, n, n_effective = np.empty(rows), np.empty(rows), np.empty(rows)
    quiet = np.empty(rows, np.bool_)
    size = max(1, _CHUNK_CELLS // window_rows)
    for begin in range(0, rows, size):
        part = slice(begin, begin + size)
        a, b, weights, counted = (column[part] for column in columns)
        n[part], n_effective[part] = counted.sum(axis=1), weights.sum(axis=1)
        correlation[part], quiet[part] = _correlations(a, b, counted)
    why = np.where(quiet, np.uint8(_QUIET), np.uint8(0))
    why[n_effective < LEAST_EFFECTIVE_N] = _THIN
    correlation[why > 0] = np.nan
    low, high = interval(correlation, n_effective)
    return PairHistory(correlation, n.astype(np.uint32), n_effective, low, high, why)


def _correlations(a: Floats, b: Floats, counted: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the correlation of each of R windows, shape (R, w), and whether it is quiet."""
    n = np.maximum(counted.sum(axis=1, keepdims=True), 1.0)
    inside = counted > 0.0
    quiet = np.zeros(len(a), np.bool_)
    centred = []
    for values in (a, b):
        least = np.min(values, axis=1, where=inside, initial=np.inf)
        quiet |= least >= np.max(values, axis=1, where=inside, initial=-np.inf)
        centred.append(np.where(inside, values - values.sum(axis=1, keepdims=True) / n, 0.0))
    first, second = centred
    products = np.einsum("rw,rw->r", first, second)
    squares = [np.einsum("rw,rw->r", each, each) for each in centred]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = products / (np.sqrt(squares[0]) * np.sqrt(squares[1]))
    return np.clip(found, -1.0, 1.0), quiet
