"""Matrices and pairs as the public interface shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from models.records.correlations import WHY
from models.statistics.correlation import change, distance, interval, order, repair
from models.statistics.correlation.change import CHANGED, LEAST_EARLIER
from models.times import iso_seconds
from services.gateway.delay import LineDelay
from services.gateway.items import Figures
from services.gateway.memory.matrix import Cells, Matrix
from services.gateway.memory.table_ids import TableId, table_id

DELAYED_STEPS = 3
SECOND = 1_000_000_000


class MatrixFigures(msgspec.Struct, frozen=True):
    """One matrix, and what is known beside it.

    `longer` is the newest matrix of `longer_table` before it; both are None where there is none.
    `averages` are the means of the pairs' z against it, by step, the newest last. `priced` are the
    coins that have a price now.
    """

    matrix: Matrix
    longer: Matrix | None
    longer_table: TableId | None
    averages: Sequence[tuple[int, float]]
    priced: frozenset[str]
    delay: LineDelay

    def over(
        self, coins: tuple[str, ...], *, repaired: bool = False, clustered: bool = False
    ) -> Figures:
        """Return the matrix over these coins.

        Repair changes `matrix` alone; the intervals stay those of what was measured.
        """
        part = self.matrix.of(coins)
        if clustered:
            part = part.of([coins[i] for i in order(part.matrix, coins)])
        coins = part.coins
        cells, is_changed = repair(part.matrix) if repaired else (part.matrix, False)
        low, high = interval(part.matrix, part.n_effective)
        reasons = _reasons(part)
        if self.longer is None and self.longer_table is not None:
            reasons["change"] = "warming"
        average = self._average()
        if self.longer is not None and average["distance"] is None:
            is_warming = average["z"] is None or len(self.averages) <= LEAST_EARLIER
            why = "warming" if is_warming else "quiet"
            undefined = [name for name, value in average.items() if value is None]
            reasons |= {f"change.average.{name}": why for name in undefined}
        rest_share = _rest_share(part)
        if rest_share is None:
            reasons["rest_share"] = "warming"
        return self._marked(
            {
                **_table_fields(table_id(part.table)),
                "as_of": iso_seconds(part.as_of) if part.as_of else None,
                "coins": list(coins),
                "matrix": _nullable(cells),
                "sigma": _nullable(part.sigma),
                "n": [row.tolist() for row in part.n],
                "n_effective": [row.tolist() for row in part.n_effective],
                "low": _nullable(low),
                "high": _nullable(high),
                "repaired": is_changed,
                "ticks": _nullable(part.ticks),
                "masked": part.masked,
                "rest_share": rest_share,
                "change": self._change(part, average),
                "stale": self._unpriced(coins),
                "reasons": reasons,
            },
            coins,
        )

    def pair(self, a: str, b: str) -> Figures:
        """Return one cell and what it rests on."""
        part = self.matrix.of([a, b])
        low, high = interval(part.matrix, part.n_effective)
        longer = None if self.longer is None else self.longer.of([a, b])
        reasons: dict[str, str] = {} if part.as_of else {"as_of": "warming"}
        why = WHY[part.why[0, 1]]
        if why is not None:
            reasons |= dict.fromkeys(("correlation", "low", "high"), why)
        change_figures = None if longer is None else _pair_change(part, longer, reasons)
        if longer is None and self.longer_table is not None:
            reasons["change"] = "warming"
        for i, coin in enumerate((a, b)):
            diagonal = WHY[part.why[i, i]]
            if np.isnan(part.sigma[i]):
                reasons[f"sigma.{coin}"] = diagonal or "thin"
        reasons |= _unknown_ticks(part)
        rest_share = _rest_share(part)
        if rest_share is None:
            reasons["rest_share"] = "warming"
        figures: Figures = {
            **_table_fields(table_id(part.table)),
            "as_of": iso_seconds(part.as_of) if part.as_of else None,
            "coins": [a, b],
            "correlation": _number(part.matrix[0, 1]),
            "low": _number(low[0, 1]),
            "high": _number(high[0, 1]),
            "n": int(part.n[0, 1]),
            "n_effective": float(part.n_effective[0, 1]),
            "sigma": _nullable(part.sigma),
            "ticks": _nullable(part.ticks),
            "masked": part.masked,
            "rest_share": rest_share,
            "change": change_figures,
            "stale": self._unpriced((a, b)),
            "reasons": reasons,
        }
        return self._marked(figures, (a, b))

    def _unpriced(self, coins: Sequence[str]) -> list[str]:
        return [coin for coin in coins if coin not in self.priced]

    def _change(self, part: Matrix, average: dict[str, Any]) -> dict[str, Any] | None:
        if self.longer is None:
            return None
        longer = self.longer.of(part.coins)
        z = _z(part, longer)
        places = np.argwhere(np.triu(np.abs(z) > CHANGED, 1)).tolist()
        changed = [(float(z[i, j]), i, j) for i, j in places]
        changed.sort(key=lambda each: (-abs(each[0]), each[1:]))
        return {
            "against": longer.table,
            "average": average,
            "pairs": [
                {
                    "coins": [part.coins[i], part.coins[j]],
                    "z": value,
                    "correlation": _number(part.matrix[i, j]),
                    "against": _number(longer.matrix[i, j]),
                }
                for value, i, j in changed
            ],
        }

    def _average(self) -> dict[str, Any]:
        """Return the mean of all pairs' z at this step, and how far it is from what it was."""
        earlier = [z for as_of, z in self.averages if as_of < self.matrix.as_of]
        now = next((z for as_of, z in self.averages if as_of == self.matrix.as_of), None)
        away = None if now is None else distance(now, earlier)
        return {
            "z": now,
            "distance": away,
            "is_changed": None if away is None else abs(away) > CHANGED,
        }

    def _marked(self, figures: Figures, coins: tuple[str, ...]) -> Figures:
        limit = DELAYED_STEPS * table_id(self.matrix.table).step_s * SECOND
        if not self.matrix.as_of or not self.delay.is_delayed(self.matrix.as_of * SECOND, limit):
            return figures
        reasons = {**figures["reasons"], "as_of": "line_delayed"}
        return {**figures, "stale": list(coins), "reasons": reasons}


def _table_fields(table: TableId) -> dict[str, str]:
    return {
        "table": table.name,
        "window": table.window,
        "sampling": table.sampling,
        "method": table.method,
    }


def _z(part: Matrix, longer: Matrix) -> Cells:
    return change(part.matrix, part.n_effective, longer.matrix, longer.n_effective)


def _pair_change(part: Matrix, longer: Matrix, reasons: dict[str, str]) -> dict[str, Any]:
    """Return how a pair has changed; why something of it is undefined goes to `reasons`."""
    z, before = _number(_z(part, longer)[0, 1]), _number(longer.matrix[0, 1])
    why = WHY[part.why[0, 1]] or WHY[longer.why[0, 1]] or "thin"
    if z is None:
        reasons.update(dict.fromkeys(("change.z", "change.is_changed"), why))
    if before is None:
        reasons["change.correlation"] = WHY[longer.why[0, 1]] or "thin"
    return {
        "against": longer.table,
        "correlation": before,
        "z": z,
        "is_changed": None if z is None else abs(z) > CHANGED,
    }


def _rest_share(part: Matrix) -> float | None:
    """Return which share of the pairs' rows is made from candles; None without a row."""
    # Of one coin alone there are no pairs, but its own rows.
    above = np.triu_indices(len(part.coins), min(len(part.coins) - 1, 1))
    n = int(part.n[above].sum())
    return int(part.n_rest[above].sum()) / n if n else None


def _reasons(part: Matrix) -> dict[str, str]:
    """Return by cell and coin why it is undefined; that of `low` and `high` is the cell's."""
    coins = part.coins
    found: dict[str, str] = {} if part.as_of else {"as_of": "warming"}
    for i, j in zip(*np.nonzero(part.why), strict=True):
        why = WHY[part.why[i, j]]
        assert why is not None, "only cells with a reason are looked at"
        found[f"matrix.{coins[i]}.{coins[j]}"] = why
        if i == j:
            found[f"sigma.{coins[i]}"] = why
    return found | _unknown_ticks(part)


def _unknown_ticks(part: Matrix) -> dict[str, str]:
    """Return by coin why it has no `ticks`: the table has not seen it live."""
    return {
        f"ticks.{coin}": "warming"
        for coin, ticks in zip(part.coins, part.ticks, strict=True)
        if np.isnan(ticks)
    }


def _nullable(numbers: Cells) -> list[Any]:
    """Return nested lists; row by row, so that other threads come in between."""
    if numbers.ndim > 1:
        return [_nullable(row) for row in numbers]
    found: Cells = numbers.astype(object)
    found[np.isnan(numbers)] = None
    listed: list[Any] = found.tolist()
    return listed


def _number(number: Any) -> float | None:
    return None if np.isnan(number) else float(number)
