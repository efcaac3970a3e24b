"""A correlation matrix with what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class CorrelationMatrix:
    """The newest matrix of a table; frames have the coins as index and as columns.

    `low` and `high` bound the 95 % interval of each cell, `n` counts its rows, `n_effective` what
    they are worth. An undefined cell is NaN, and `reasons` has why at `matrix.A.B`. `sigma` is
    annualised; `stale` are coins without a price now. `table` is `window.sampling.method`.
    """

    table: str
    as_of: pd.Timestamp | None
    matrix: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    n: pd.DataFrame
    n_effective: pd.DataFrame
    sigma: pd.Series[float]
    stale: list[str]
    reasons: dict[str, str]
    repaired: bool
    answer: Mapping[str, Any]
    """All of the answer."""

    def pairs(self) -> pd.DataFrame:
        """Return one row a pair: `a`, `b`, `correlation`, `low`, `high`, `n`, `n_effective`."""
        coins = list(self.matrix.index)
        first, second = np.triu_indices(len(coins), 1)
        cells = {
            "correlation": self.matrix,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "n_effective": self.n_effective,
        }
        return pd.DataFrame(
            {
                "a": [coins[i] for i in first],
                "b": [coins[j] for j in second],
                **{name: frame.to_numpy()[first, second] for name, frame in cells.items()},
            }
        )


def matrix_of(answer: dict[str, Any]) -> CorrelationMatrix:
    """Return the matrix of an answer of `/v1/correlations`."""
    coins = answer["coins"]

    def cells(name: str, kind: str = "float64") -> pd.DataFrame:
        values = np.array(answer[name], kind).reshape(len(coins), len(coins))
        return pd.DataFrame(values, index=coins, columns=coins)

    as_of = answer["as_of"]
    return CorrelationMatrix(
        table=answer["table"],
        as_of=None if as_of is None else pd.Timestamp(as_of),
        matrix=cells("matrix"),
        low=cells("low"),
        high=cells("high"),
        n=cells("n", "int64"),
        n_effective=cells("n_effective"),
        sigma=pd.Series(np.array(answer["sigma"], "float64"), index=coins, name="sigma"),
        stale=answer["stale"],
        reasons=answer["reasons"],
        repaired=answer["repaired"],
        answer=answer,
    )
