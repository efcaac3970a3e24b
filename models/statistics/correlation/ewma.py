"""Exponentially weighted correlation of every pair, about zero.

The weights of RiskMetrics (J. P. Morgan/Reuters, Technical Document, 4th edition, 1996, 5.2), by
age instead of by row.
"""

from __future__ import annotations

import msgspec
import numpy as np

from models.statistics.correlation.counts import Counts, pair_counts
from models.statistics.correlation.matrices import Matrices, assemble
from models.statistics.correlation.rows import YEAR_S, Booleans, Floats, Rows

_HALF_LIVES_A_WINDOW = 4.0


def ewma(rows: Rows, half_life_s: float | None = None) -> Matrices:
    """Return correlations of the products with weights 2^(−age ÷ half-life), no mean subtracted.

    The half-life is a quarter of the window unless given. The effective n of a pair is
    (Σw)² ÷ Σw² times the w-weighted mean of what its rows count for.
    """
    half_life_s = half_life_s or rows.window_s / _HALF_LIVES_A_WINDOW
    weight = np.exp2(-rows.age_s / half_life_s)
    present = ~np.isnan(rows.returns)
    own = np.where(present, rows.returns, 0.0)
    scales = np.abs(own).max(axis=0, initial=0.0)
    scales[scales == 0.0] = 1.0
    scaled = own / scales
    scaled *= np.sqrt(weight)[:, None]
    mask = present.astype(np.float64)
    # Σ w x² of each coin (row) over the rows of each other one (column).
    squares = np.square(scaled).T @ mask
    correlation = scaled.T @ scaled
    quiet = squares == 0.0
    quiet |= quiet.T
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares.diagonal() / (weight @ mask)
        sigma = np.sqrt(variance * YEAR_S / rows.sampling_s) * scales
        correlation /= np.sqrt(squares * squares.T)
    counts = _weighted_counts(rows, present, weight)
    return assemble(correlation, quiet if quiet.any() else None, counts, rows.warming, sigma)


def _weighted_counts(rows: Rows, present: Booleans, weight: Floats) -> Counts:
    """Return the counts with (Σw)² ÷ Σw² · (Σwc ÷ Σw), c what a row counts for, as effective n."""

    def total(of: Floats) -> Floats:
        mask = np.where(present, np.sqrt(of)[:, None], 0.0)
        return mask.T @ mask

    product = total(weight) * total(weight * rows.weight)
    squares = total(np.square(weight))
    effective = np.divide(product, squares, out=np.zeros_like(squares), where=squares > 0.0)
    return msgspec.structs.replace(pair_counts(rows, present), n_effective=effective)
