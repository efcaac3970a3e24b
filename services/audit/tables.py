"""What the id of a correlation table says, as `docs/correlation.md` §1 has it."""

from __future__ import annotations

import msgspec

from services.audit.pieces import SECOND

_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
STEP = 10 * SECOND
_LONG_STEP = 60 * SECOND


class TableShape(msgspec.Struct, frozen=True):
    """Window, sampling interval, step length (ns) and method of a table."""

    name: str
    window: int
    sampling: int
    step: int
    method: str


def table_shape(name: str) -> TableShape:
    """Return what a table's id says.

    >>> table_shape("24h.5m.pearson").step
    60000000000
    """
    window, sampling, method = name.split(".")
    lengths = [int(text[:-1]) * _UNITS[text[-1]] for text in (window, sampling)]
    step = _LONG_STEP if lengths[1] >= 300 * SECOND else STEP
    return TableShape(name, lengths[0], lengths[1], step, method)
