"""What every method returns, and which of its cells are undefined."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.correlations import WHY
from models.statistics.correlation.counts import Counts
from models.statistics.correlation.rows import Booleans, Floats

LEAST_EFFECTIVE_N = 30.0

_THIN, _WARMING, _QUIET = (WHY.index(reason) for reason in ("thin", "warming", "quiet"))


class Matrices(msgspec.Struct, frozen=True):
    """Correlations of N coins and what they rest on; arrays may be read-only.

    Attributes:
        matrix: shape (N, N), symmetric, in [−1, 1]; NaN where `why` is not 0.
        n: rows in which both coins have a return, shape (N, N).
        n_rest: how many of these are made from candles, shape (N, N).
        n_effective: how many independent rows they are worth, shape (N, N).
        why: index into `models.records.correlations.WHY`, shape (N, N).
        sigma: volatility a year, shape (N,); NaN where the diagonal is.
        cut: pairs whose value was outside [−1, 1] by more than rounding, and was cut.
    """

    matrix: Floats
    n: NDArray[np.uint32]
    n_rest: NDArray[np.uint32]
    n_effective: Floats
    why: NDArray[np.uint8]
    sigma: Floats
    cut: int = 0


def assemble(
    correlation: Floats,
    quiet: Booleans | None,
    counts: Counts,
    warming: Booleans,
    sigma: Floats,
    cut: int = 0,
) -> Matrices:
    """Return the matrices; cells that are thin, warming or quiet become NaN, in this order.

    `correlation` (N, N) is overwritten; what stands in undefined cells does not matter. `quiet`
    says by cell whether either coin did not move; None where all of them did.
    """
    why = _reasons(quiet, counts.n_effective, warming)
    np.clip(correlation, -1.0, 1.0, out=correlation)
    np.fill_diagonal(correlation, 1.0)
    if why.any():
        undefined = why > 0
        np.copyto(correlation, np.nan, where=undefined)
        sigma = np.where(undefined.diagonal(), np.nan, sigma)
    return Matrices(correlation, counts.n, counts.n_rest, counts.n_effective, why, sigma, cut)


def _reasons(quiet: Booleans | None, n_effective: Floats, warming: Booleans) -> NDArray[np.uint8]:
    if quiet is None and (n_effective.size == 0 or n_effective.min() >= LEAST_EFFECTIVE_N):
        return np.broadcast_to(np.uint8(0), n_effective.shape)
    why = np.zeros(n_effective.shape, np.uint8)
    if quiet is not None:
        why[quiet] = _QUIET
    thin = n_effective < LEAST_EFFECTIVE_N
    why[thin] = _THIN
    if warming.any():
        why[thin & (warming[:, None] | warming[None, :])] = _WARMING
    return why
