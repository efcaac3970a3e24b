"""The baseline of a market's spread: z and half-life (section 7), by plain sums over its panes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

PANE = 10
PANES = 180
LAG = 15
FEWEST = 30
HALF_HOUR = 1_800
FLAT = 1e-9
"""A deviation of logarithms that is no more than this is 0: the rest is rounding."""

Floats = NDArray[np.float64]
Seconds = NDArray[np.int64]


@dataclass
class Baseline:
    """By second asked for: mean, deviation and number of the x, slope and number of the pairs.

    A mean, deviation or slope that is not defined is NaN; a slope whose x does not vary as well.
    """

    mean: Floats
    deviation: Floats
    n: Seconds
    slope: Floats
    pairs: Seconds


def panes_of(bps_time: Floats, good_time: Seconds, start: int, first: int) -> tuple[Floats, int]:
    """Return x of every whole pane from `first` (a second) on, and the number of the first pane.

    `bps_time` and `good_time` are by second from `start` on: the integral of spread_bps over the
    good time, and that time (nanoseconds). The pane k is `[10 k, 10 k + 10)`; x is NaN without.
    """
    number = -(-first // PANE)
    skipped = number * PANE - start
    count = max(0, (len(good_time) - skipped) // PANE)
    inside = slice(skipped, skipped + count * PANE)
    bps = bps_time[inside].reshape(count, PANE).sum(axis=1)
    time = good_time[inside].reshape(count, PANE).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log(bps / time)
    return np.where(np.isfinite(x), x, np.nan), number


def baseline_at(seconds: Seconds, x: Floats, number: int) -> Baseline:
    """Return the baseline of each second: the panes that end 15 s before it or earlier."""
    padded = np.concatenate([np.full(PANES, np.nan), x])
    # Row i holds the PANES panes before pane `number` + i.
    windows = sliding_window_view(padded, PANES)
    row = (seconds - LAG) // PANE - number
    # Before the first pane has ended there is nothing: the row of padding alone.
    wanted, back = np.unique(np.maximum(row, 0), return_inverse=True)
    chosen = windows[wanted]
    known = ~np.isnan(chosen)
    n = known.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, chosen, 0.0).sum(axis=1) / n
        squares = np.where(known, chosen - mean[:, None], 0.0) ** 2
        deviation = np.sqrt(squares.sum(axis=1) / (n - 1))
    slope, pairs = _slopes(chosen)
    return Baseline(mean[back], deviation[back], n[back], slope[back], pairs[back])


def _slopes(chosen: Floats) -> tuple[Floats, Seconds]:
    """Return the least-squares slope of every x on the one before it, and how many pairs."""
    both = ~np.isnan(chosen[:, 1:]) & ~np.isnan(chosen[:, :-1])
    pairs = both.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = (
            np.where(both, part - (np.where(both, part, 0.0).sum(axis=1) / pairs)[:, None], 0.0)
            for part in (chosen[:, :-1], chosen[:, 1:])
        )
        squares = (before**2).sum(axis=1)
        slope = (before * after).sum(axis=1) / squares
        flat = np.sqrt(squares / (pairs - 1)) <= FLAT
    return np.where(flat, np.nan, slope), pairs
