"""Figures that may be undefined, as columns over markets, and why: one reason for every null.

A reason is a code: its place in the closed list, from 1 on; 0 is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from models.errors import InvariantError
from models.records.reasons import Reason

Column = NDArray[np.float64]
Codes = NDArray[np.uint8]

_REASONS: tuple[Reason, ...] = get_args(Reason)
_CODES: dict[str | None, int] = {None: 0, **{name: i for i, name in enumerate(_REASONS, 1)}}
_MOST_PATTERNS = 4096

# Most markets lack the same few figures for the same few reasons.
_patterns: dict[tuple[tuple[str, ...], bytes], dict[str, Reason]] = {}


def code_of(reasons: Sequence[Reason | None]) -> Codes:
    """Return the codes of reasons.

    >>> code_of([None, "thin"]).tolist()
    [0, 1]
    """
    return np.array([_CODES[reason] for reason in reasons], np.uint8)


def where(condition: NDArray[np.bool_], reason: Reason | Codes) -> Codes:
    """Return the code of a reason, or the codes given, where the condition holds.

    >>> where(np.array([False, True]), "thin").tolist()
    [0, 1]
    """
    code = _CODES[reason] if isinstance(reason, str) else reason
    return np.where(condition, code, 0).astype(np.uint8)


def first_of(*reasons: Codes) -> Codes:
    """Return for every market the first reason that is one.

    >>> first_of(np.array([0, 2], np.uint8), np.array([3, 4], np.uint8)).tolist()
    [3, 2]
    """
    result = reasons[0]
    for later in reasons[1:]:
        result = np.where(result == 0, later, result)
    return result


class NullableFigures:
    """Columns by field path, gathered one after the other."""

    def __init__(self, markets: Sequence[str]) -> None:
        """Hold none yet."""
        self._markets = markets
        self._paths: list[str] = []
        self._values: list[Column] = []
        self._why: list[Codes] = []

    def put(self, path: str, values: Column, why: Codes) -> None:
        """Take a column; it is null where `why` gives a reason."""
        self._paths.append(path)
        self._values.append(values)
        self._why.append(why)

    def finished(self) -> tuple[dict[str, list[float | None]], list[dict[str, Reason]]]:
        """Return the columns by path, NaN for null, and by market path → reason.

        JSON has no NaN: it is written as null.

        Raises:
            InvariantError: a figure without a reason is none, or infinite.
        """
        values, why = np.array(self._values), np.array(self._why)
        values[why > 0] = np.nan
        wrong = ~np.isfinite(values) & (why == 0)
        if wrong.any():
            place, market = (int(part[0]) for part in np.nonzero(wrong))
            raise InvariantError(
                f"expected a value or a reason for {self._paths[place]} of "
                f"{self._markets[market]}, was {values[place, market]}"
            )
        return (
            dict(zip(self._paths, values.tolist(), strict=True)),
            _reasons_by_market(tuple(self._paths), why),
        )


def _reasons_by_market(paths: tuple[str, ...], why: Codes) -> list[dict[str, Reason]]:
    found: list[dict[str, Reason]] = []
    for codes in np.ascontiguousarray(why.T):
        pattern = paths, codes.tobytes()
        reasons = _patterns.get(pattern)
        if reasons is None:
            if len(_patterns) >= _MOST_PATTERNS:
                _patterns.clear()
            reasons = _patterns[pattern] = {
                path: _REASONS[code - 1]
                for path, code in zip(paths, codes.tolist(), strict=True)
                if code
            }
        found.append(reasons)
    return found
