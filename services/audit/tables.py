"""What the id of a correlation table says, as `docs/correlation.md` §1 has it."""

from __future__ import annotations

import re

import msgspec

from services.audit.pieces import SECOND

_ID = re.compile(r"(\d+)([smhd])\.(\d+)([smhd])\.(pearson|spearman|ewma|hayashi_yoshida)\Z")
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
STEP = 10 * SECOND
BY_SECOND = "hayashi_yoshida"
"""The method that follows from prices of every second, not from returns."""
_LONG_STEP = 60 * SECOND


class TableShape(msgspec.Struct, frozen=True):
    """Window, sampling interval, step length (ns) and method of a table."""

    name: str
    window: int
    sampling: int
    step: int
    method: str


def table_shape(name: str) -> TableShape | None:
    """Return what a table's id says, None where it is none.

    >>> table_shape("24h.5m.pearson").step
    60000000000
    """
    found = _ID.match(name)
    if found is None:
        return None
    window, sampling = (int(found[n]) * _UNITS[found[n + 1]] for n in (1, 3))
    step = _LONG_STEP if sampling >= 300 * SECOND else STEP
    return TableShape(name, window, sampling, step, found[5])
