"""The baseline of a market's spread, and how fast it comes back: section 7 of the contract."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from services.audit.pieces import SECOND, Floats, Times, divided
from services.audit.quotes import SHORTEST, Figures, QuotePast

PANE = 10 * SECOND
PANES = 180
FEWEST = 30
FLAT = 1e-9
REACH = PANES * PANE + SHORTEST + PANE
"""How far before a second its baseline begins, at most."""


def panes(quotes: QuotePast, begin: int, end: int, first: int) -> Floats:
    """Return x, the logarithm of the mean of every pane from `begin` on; NaN where it has none.

    Both are whole panes; `first` is the time of the market's first quote.
    """
    starts = np.arange(begin, end, PANE, dtype=np.int64)
    mean = quotes.integrals["mean_bps"].means(starts, starts + PANE)
    counts = (mean > 0) & (starts >= first - first % SECOND)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts, np.log(mean), np.nan)


def figures(at: Times, quotes: QuotePast, first: int, mean_bps: Floats) -> Figures:
    """Return the figures at these seconds, rising; `mean_bps` is the one of 15 s."""
    end = (at - SHORTEST) // PANE * PANE
    begin = int(end[0]) - PANES * PANE
    x = panes(quotes, begin, int(end[-1]), first)
    # One line for every end; most seconds share theirs with others.
    place = (end - end[0]) // PANE
    lines = _of_lines(sliding_window_view(x, PANES))
    chosen = {name: column[place] for name, column in lines.items()}
    mean, sigma, n = chosen["mean"], chosen["sigma"], chosen["n"]
    enough = n >= FEWEST
    is_flat = ~(sigma > FLAT)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (np.log(mean_bps) - mean) / sigma
    slope = chosen["slope"]
    reverts = (chosen["pairs"] >= FEWEST) & (slope > 0) & (slope < 1)
    half_life = PANE / SECOND * np.log(0.5) / np.log(np.where(reverts, slope, 0.5))
    return {
        "baseline_bps": np.where(enough, np.exp(mean), np.nan),
        "baseline_sigma": np.where(enough, np.where(is_flat, 0.0, sigma), np.nan),
        "z": np.where(enough & ~is_flat & (mean_bps > 0), z, np.nan),
        "z_n": n,
        "half_life_s": np.where(reverts, half_life, np.nan),
        "half_life_n": chosen["pairs"],
        "x_sigma": np.where(is_flat, np.nan, sigma),
    }


def _of_lines(x: Floats) -> dict[str, Floats]:
    """Return mean, deviation, and the slope of a pane on the one before; shape (lines,) each."""
    n = np.isfinite(x).sum(axis=1).astype(np.float64)
    both = np.isfinite(x[:, 1:]) & np.isfinite(x[:, :-1])
    pairs = both.sum(axis=1).astype(np.float64)
    with warnings.catch_warnings():
        # Lines in which nothing is known are undefined, which is what NaN says.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, sigma = np.nanmean(x, axis=1), np.nanstd(x, axis=1, ddof=1)
        earlier = np.where(both, x[:, :-1], np.nan)
        later = np.where(both, x[:, 1:], np.nan)
        earlier -= np.nanmean(earlier, axis=1, keepdims=True)
        later -= np.nanmean(later, axis=1, keepdims=True)
        squares = np.nansum(earlier**2, axis=1)
        varies = np.sqrt(divided(squares, pairs - 1)) > FLAT
        slope = np.where(varies, divided(np.nansum(earlier * later, axis=1), squares), np.nan)
    return {"mean": mean, "sigma": sigma, "n": n, "slope": slope, "pairs": pairs}
