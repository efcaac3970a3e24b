"""Hayashi and Yoshida's correlation of prices that move at different times.

T. Hayashi and N. Yoshida, On covariance estimation of non-synchronously observed diffusion
processes, Bernoulli 11(2), 2005.
"""

from __future__ import annotations

import numpy as np

from models.statistics.correlation.counts import Counts
from models.statistics.correlation.matrices import LEAST_EFFECTIVE_N, Matrices, assemble
from models.statistics.correlation.rows import YEAR_S, Booleans, Floats, Seconds

# Further outside [−1, 1] than this is no rounding.
_ROUNDING = 1e-12
_SAME_PRICE = 1e-13


def hayashi_yoshida(seconds: Seconds) -> Matrices:
    """Return Σ of the products of increments that overlap over the root of both Σ of squares.

    An increment of coin i from f to t overlaps those of j that begin before t and end after f,
    whose sum is (Σ of those that begin before t) − (Σ of those that end by f): two running sums,
    so that all pairs are two matrix products.
    """
    moves, begins = _increments(seconds.log_price)
    starts = _at_begins(moves, begins)
    ended = np.cumsum(moves, axis=0)
    begun = np.cumsum(starts, axis=0)
    begun_before = np.zeros_like(begun)
    begun_before[1:] = begun[:-1]
    covariance = moves.T @ begun_before - starts.T @ ended
    covariance = (covariance + covariance.T) / 2.0
    squares = np.einsum("ti,ti->i", moves, moves)
    sigma = np.sqrt(squares * YEAR_S / (max(1, len(moves)) * seconds.second_s))
    n = (moves != 0.0).sum(axis=0).astype(np.uint32)
    lesser = np.minimum(n[:, None], n[None, :])
    counts = Counts(lesser, np.zeros_like(lesser), lesser.astype(np.float64))
    quiet = (lesser == 0) if len(n) else None
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance / np.sqrt(squares[:, None] * squares[None, :])
    outside = (np.abs(correlation) > 1.0 + _ROUNDING) & (lesser >= LEAST_EFFECTIVE_N)
    cut = int(np.triu(outside, 1).sum())
    return assemble(correlation, quiet, counts, seconds.warming, sigma, cut)


def _increments(log_price: Floats) -> tuple[Floats, Booleans]:
    """Return increments at the second in which they end, shape (T, N), and the observations.

    The price stands still from an observation to the second before the next one, so an increment
    is the change in its last second.
    """
    moves = np.zeros_like(log_price)
    moves[1:] = np.diff(log_price, axis=0)
    present = ~np.isnan(log_price)
    first = present.copy()
    first[1:] &= ~present[:-1]
    # The same price may come out one bit differently: that is no observation.
    np.copyto(moves, 0.0, where=np.isnan(moves) | (np.abs(moves) <= _SAME_PRICE))
    return moves, first | (moves != 0.0)


def _at_begins(moves: Floats, observed: Booleans) -> Floats:
    """Return the increments at the second in which they begin: the observation before."""
    starts = np.zeros_like(moves)
    for coin in range(moves.shape[1]):
        seconds = np.flatnonzero(observed[:, coin])
        # Of a first observation, which ends no increment, 0 is put.
        starts[seconds[:-1], coin] = moves[seconds[1:], coin]
    return starts
