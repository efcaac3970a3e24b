"""On how many rows each pair rests."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.correlation.rows import Booleans, Floats, Rows


class Counts(msgspec.Struct, frozen=True):
    """`n`, `n_rest` and `n_effective` as in `Matrices`, shape (N, N); may be read-only views."""

    n: NDArray[np.uint32]
    n_rest: NDArray[np.uint32]
    n_effective: Floats


def full_counts(rows: Rows) -> Counts:
    """Return the counts where no return is missing: one value each, seen from every cell."""
    shape = (rows.returns.shape[1],) * 2
    return Counts(
        np.broadcast_to(np.uint32(len(rows.weight)), shape),
        np.broadcast_to(np.uint32(rows.is_rest.sum()), shape),
        np.broadcast_to(np.float64(_weight_sum(rows)), shape),
    )


def pair_counts(rows: Rows, present: Booleans) -> Counts:
    """Return the counts of every pair; `present` (T, N) says where there is a return.

    Rows of one weight and kind are counted together by one product of their masks, in float32:
    whole numbers up to 2²⁴ are exact in it.
    """
    shape = (present.shape[1],) * 2
    n = n_rest = np.broadcast_to(np.uint32(0), shape)
    n_effective = np.zeros(shape)
    for weight, is_rest in _kinds(rows):
        mask = present[(rows.weight == weight) & (rows.is_rest == is_rest)].astype(np.float32)
        together = (mask.T @ mask).astype(np.uint32)
        n = n + together if n.any() else together
        if is_rest:
            n_rest = n_rest + together if n_rest.any() else together
        n_effective += weight * together
    return Counts(n, n_rest, n_effective)


def _kinds(rows: Rows) -> list[tuple[float, bool]]:
    """Return every combination of weight and kind there is, in a fixed order."""
    weight, is_rest = rows.weight, rows.is_rest
    if len(weight) and (weight == weight[0]).all() and (is_rest == is_rest[0]).all():
        return [(float(weight[0]), bool(is_rest[0]))]
    return sorted(set(zip(weight.tolist(), is_rest.tolist(), strict=True)))


def _weight_sum(rows: Rows) -> float:
    """Return what `pair_counts` would, to the last bit."""
    kinds = _kinds(rows)
    if len(kinds) == 1:
        return kinds[0][0] * len(rows.weight)
    total = 0.0
    for weight, is_rest in kinds:
        total += weight * int(((rows.weight == weight) & (rows.is_rest == is_rest)).sum())
    return total
