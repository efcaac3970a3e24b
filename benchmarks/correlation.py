"""CPU and memory of one step of a correlation table, values checked in the timed run.

Beside `pandas.DataFrame.corr` of the same rows in the same run. It runs in a process of its own,
in which the matrix products have one thread.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

from models.statistics.correlation import (
    Matrices,
    Rows,
    Seconds,
    ewma,
    hayashi_yoshida,
    order,
    pearson,
    row_weight,
    spearman,
)

ROWS, SECONDS = 360, 3_600
SIZES = (100, 1_000, 2_000, 5_000)
MANY_COINS = 50
HOLES = 0.05
_RUNS, _PANDAS_RUNS, _LARGE = 15, 3, 2_000
_TOLERANCE = 1e-9

T = TypeVar("T")


def run() -> None:
    """Run this module in a process with one BLAS thread."""
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    subprocess.run(
        [sys.executable, "-m", "benchmarks.correlation"], env=os.environ | one, check=True
    )


def main() -> None:
    """Print the tables."""
    print(f"correlation: one step over {ROWS} rows, CPU on one BLAS thread; median (least, most)")
    print(
        f"{'N':>6} {'missing':>8} {'ms/step':>26} {'pandas, ms':>30} {'ratio':>7} "
        f"{'rows, MB':>9} {'matrices, MB':>13} {'peak, MB':>9}"
    )
    for coins in SIZES:
        for holes in (0.0, HOLES):
            _pearson(coins, holes)
    print(f"the dearer methods over {MANY_COINS} coins; Hayashi-Yoshida over {SECONDS} seconds")
    for method in (spearman, ewma):
        for holes in (0.0, HOLES):
            rows = make_rows(MANY_COINS, holes)
            cost, _ = timed(_RUNS, lambda method=method, rows=rows: method(rows))  # type: ignore[misc]
            print(f"{method.__name__:>16} {holes:>8.0%} missing {shown(cost):>26} ms")
    seconds = make_seconds(MANY_COINS)
    cost, _ = timed(_RUNS, lambda: hayashi_yoshida(seconds))
    print(f"{'hayashi_yoshida':>16} {'':>16} {shown(cost):>26} ms")
    print("order for display: average linkage and optimal leaves")
    for coins in SIZES[:2]:
        matrix = pearson(make_rows(coins, 0.0)).matrix
        names = [str(coin) for coin in range(coins)]
        cost, _ = timed(5, lambda matrix=matrix, names=names: order(matrix, names))  # type: ignore[misc]
        print(f"{coins:>6} {shown(cost):>26} ms")


def _pearson(coins: int, holes: float) -> None:
    rows = make_rows(coins, holes)
    large = coins >= _LARGE
    cost, found = timed(3 if large else _RUNS, lambda: pearson(rows))
    frame = pd.DataFrame(rows.returns)
    # The effective n is 30 from 122 rows on.
    least = int(np.ceil(30 / rows.weight[0]))
    pandas_cost, expected = timed(
        1 if large else _PANDAS_RUNS, lambda: frame.corr(min_periods=least)
    )
    check(found, expected.to_numpy())
    tracemalloc.start()
    pearson(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    ratio = statistics.median(pandas_cost) / statistics.median(cost)
    print(
        f"{coins:>6,} {holes:>8.0%} {shown(cost):>26} {shown(pandas_cost):>30} {ratio:>6.0f}× "
        f"{rows.returns.nbytes / 1e6:>9.1f} {held(found) / 1e6:>13.1f} {peak / 1e6:>9.1f}"
    )


def make_rows(coins: int, holes: float) -> Rows:
    """Return the rows of `1h.60s` at a step of 10 s, of one factor and own noise."""
    random = np.random.default_rng(coins)
    returns = random.standard_normal((ROWS, 1)) + random.standard_normal((ROWS, coins))
    returns *= 1e-4
    if holes:
        returns[random.random(returns.shape) < holes] = np.nan
    return Rows(
        returns=returns,
        weight=np.full(ROWS, row_weight(60, 10)),
        is_rest=np.zeros(ROWS, np.bool_),
        warming=np.zeros(coins, np.bool_),
        age_s=10.0 * np.arange(ROWS, dtype=np.float64)[::-1],
        sampling_s=60.0,
        window_s=3_600.0,
    )


def make_seconds(coins: int) -> Seconds:
    """Return prices of every second of an hour that move in three of ten seconds."""
    random = np.random.default_rng(coins)
    moves = 1e-4 * random.standard_normal((SECONDS, coins))
    moves *= random.random(moves.shape) < 0.3
    return Seconds(np.cumsum(moves, axis=0), np.zeros(coins, np.bool_))


def timed(runs: int, work: Callable[[], T]) -> tuple[list[float], T]:
    """Return the CPU of each run in milliseconds, and what the last of them returned."""
    costs: list[float] = []
    for _ in range(runs):
        begin = time.process_time()
        found = work()
        costs.append(1e3 * (time.process_time() - begin))
    return costs, found


def check(found: Matrices, expected: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    """Compare every cell with that of pandas."""
    difference = np.abs(found.matrix - expected)
    if (np.isnan(found.matrix) != np.isnan(expected)).any() or np.nanmax(difference) > _TOLERANCE:
        raise RuntimeError(f"expected what pandas has, was {np.nanmax(difference)} away")


def held(found: Matrices) -> int:
    """Return the bytes of the matrices; one value seen from every cell counts as one."""
    arrays = (found.matrix, found.n, found.n_rest, found.n_effective, found.why, found.sigma)
    return sum(array.itemsize if not any(array.strides) else array.nbytes for array in arrays)


def shown(costs: list[float]) -> str:
    """Return the median and the range."""
    return f"{statistics.median(costs):,.2f} ({min(costs):,.2f}, {max(costs):,.2f})"


if __name__ == "__main__":
    main()
