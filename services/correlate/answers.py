"""A result as JSON in the shape of `/v1/correlations`, and as CSV with one line a pair."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, TextIO

import msgspec
import numpy as np

from models.records.correlations import WHY
from models.statistics.correlation import interval, repair
from models.times import iso_microseconds
from services.correlate.correlate import Result

HEADER = ("coin_a", "coin_b", "correlation", "n", "n_effective", "low", "high", "reason")


class Labels(msgspec.Struct, frozen=True):
    """How the window, the sampling and the method were written."""

    window: str
    sampling: str
    method: str


def as_json(result: Result, labels: Labels, *, repaired: bool = False) -> bytes:
    """Return one JSON object; `notes` is what the interface of the line does not have."""
    found = result.matrices
    matrix, is_changed = repair(found.matrix) if repaired else (found.matrix, False)
    low, high = interval(found.matrix, found.n_effective)
    # msgspec writes NaN as null.
    figures: dict[str, Any] = {
        "table": f"{labels.window}.{labels.sampling}.{labels.method}",
        "window": labels.window,
        "sampling": labels.sampling,
        "method": labels.method,
        "as_of": iso_microseconds(result.as_of),
        "coins": result.coins,
        "matrix": matrix.tolist(),
        "sigma": found.sigma.tolist(),
        "n": found.n.tolist(),
        "n_effective": found.n_effective.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "repaired": is_changed,
        "stale": [],
        "reasons": _reasons(result),
        "notes": result.notes,
    }
    return msgspec.json.encode(figures)


def write_csv(result: Result, to: TextIO, *, repaired: bool = False) -> None:
    """Write every pair once, in the order of the coins; undefined is empty."""
    found, coins = result.matrices, result.coins
    matrix = repair(found.matrix)[0] if repaired else found.matrix
    low, high = interval(found.matrix, found.n_effective)
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(HEADER)
    for i, coin in enumerate(coins):
        after = slice(i + 1, None)
        columns: Sequence[Sequence[Any]] = (
            coins[after],
            _texts(matrix[i, after]),
            found.n[i, after].tolist(),
            found.n_effective[i, after].tolist(),
            _texts(low[i, after]),
            _texts(high[i, after]),
            [WHY[why] for why in found.why[i, after].tolist()],
        )
        writer.writerows((coin, *row) for row in zip(*columns, strict=True))


def _texts(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def _reasons(result: Result) -> dict[str, str]:
    coins, why = result.coins, result.matrices.why
    found: dict[str, str] = {}
    for i, j in np.argwhere(why > 0).tolist():
        reason = WHY[why[i, j]] or ""
        for name in ("matrix", "low", "high"):
            found[f"{name}.{coins[i]}.{coins[j]}"] = reason
        if i == j:
            found[f"sigma.{coins[i]}"] = reason
    return found
