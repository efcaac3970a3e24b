"""From a file of prices to a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec
import numpy as np

from models.errors import InputError
from models.statistics.correlation import (
    LEAST_EFFECTIVE_N,
    Matrices,
    Rows,
    Seconds,
    ewma,
    hayashi_yoshida,
    pearson,
    spearman,
)
from models.times import iso_microseconds
from services.correlate.grid import PriceGrid
from services.correlate.price_file import PriceFile
from services.correlate.timestamps import Times

Method = Literal["pearson", "spearman", "ewma", "hayashi_yoshida"]
METHODS: tuple[str, ...] = get_args(Method)

SECOND = 1_000_000_000
MOST_CELLS = 250_000_000

_BY_ROWS = {"pearson": pearson, "spearman": spearman, "ewma": ewma}


class Request(msgspec.Struct, frozen=True):
    """What is asked for. `end` (ns) is the file's last timestamp unless given; `coins` are all."""

    window_s: int
    sampling_s: int
    method: str
    end: int | None = None
    coins: Sequence[str] | None = None


class Result(msgspec.Struct, frozen=True):
    """The matrices at `as_of` (ns), and what a reader should know of the file."""

    as_of: int
    coins: list[str]
    matrices: Matrices
    notes: list[str]


def correlate(file: PriceFile, request: Request) -> Result:
    """Return the correlations over the last window up to the end, by the engine of the line.

    Prices are taken at the multiples of the sampling interval; returns do not overlap, so each
    counts for one. The end is rounded down to a multiple. The file is read twice: for its times,
    then for its prices; in memory are the times, one batch and the grid.

    Raises:
        InputError: the file or the request cannot be used; the text says what was expected.
    """
    coins = _chosen(file, request.coins)
    rows, step = request.window_s // request.sampling_s, request.sampling_s * SECOND
    if rows * len(coins) > MOST_CELLS:
        raise InputError(
            "too_large",
            f"expected at most {MOST_CELLS:,} returns, was {rows:,} rows of {len(coins):,} coins",
        )
    times = file.times()
    notes = _notes_on(times)
    end = _end(times, request)
    grid = PriceGrid(end, step, rows + 1, len(coins))
    for batch_times, prices in file.batches(coins):
        grid.add(batch_times, prices)
    if not (~np.isnan(grid.price[1:]) & ~np.isnan(grid.price[:-1])).any():
        raise InputError(
            "too_sparse",
            f"expected prices in consecutive intervals of {request.sampling_s} s between "
            f"{iso_microseconds(grid.begin)} and {iso_microseconds(end)}, was none; a price older "
            "than the sampling interval is missing: the file may be sampled less often",
        )
    missing = float(np.isnan(grid.price).mean())
    if missing:
        notes.append(
            f"{missing:.2%} of the prices at multiples of {request.sampling_s} s are missing: "
            "none is older than the sampling interval"
        )
    return Result(end, coins, _matrices(grid, request, rows), notes)


def _matrices(grid: PriceGrid, request: Request, rows: int) -> Matrices:
    log_price = np.log(grid.price)
    warming = grid.first > grid.begin
    if request.method == "hayashi_yoshida":
        return hayashi_yoshida(Seconds(log_price[1:], warming, float(request.sampling_s)))
    return _BY_ROWS[request.method](
        Rows(
            returns=np.diff(log_price, axis=0),
            weight=np.ones(rows),
            is_rest=np.zeros(rows, np.bool_),
            warming=warming,
            age_s=np.arange(rows, dtype=np.float64)[::-1] * request.sampling_s,
            sampling_s=float(request.sampling_s),
            window_s=float(request.window_s),
        )
    )


def _chosen(file: PriceFile, wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        return file.coins
    unknown = [coin for coin in wanted if coin not in file.coins]
    if unknown:
        raise InputError(
            "unknown_coin",
            f"expected coins of the file ({', '.join(file.coins)}), was {', '.join(unknown)}",
        )
    return list(dict.fromkeys(wanted))


def _end(times: Times, request: Request) -> int:
    least = int(LEAST_EFFECTIVE_N)
    step = request.sampling_s * SECOND
    if not len(times):
        raise InputError("too_short", "expected rows of prices, was a file without any")
    first, last = int(times.min()), int(times.max())
    end = (last if request.end is None else request.end) // step * step
    if min(end, last) - first < least * step:
        raise InputError(
            "too_short",
            f"expected prices over at least {least} intervals of {request.sampling_s} s up to "
            f"{iso_microseconds(end)}, was from {iso_microseconds(first)} to "
            f"{iso_microseconds(last)}",
        )
    return end


def _notes_on(times: Times) -> list[str]:
    notes = []
    backwards = int((np.diff(times) < 0).sum())
    if backwards:
        notes.append(f"{backwards} rows were earlier than the one before them: rows were sorted")
    doubled = int((np.diff(np.sort(times) if backwards else times) == 0).sum())
    if doubled:
        notes.append(f"{doubled} timestamps stood there before: of each the last price was taken")
    return notes
