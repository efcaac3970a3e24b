"""The ids of correlation tables: `1h.60s.pearson`, or `1h.pearson` for the default sampling."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from agents.correlation.tables import table_definition
from models.errors import SettingsError


class TableId(msgspec.Struct, frozen=True, order=True):
    """A window × a sampling interval × a method. Tables sort by window, then by name."""

    window_s: int
    name: str
    window: str
    sampling: str
    method: str
    sampling_s: int
    step_s: int

    @property
    def short(self) -> str:
        """The id without its sampling."""
        return f"{self.window}.{self.method}"


@lru_cache(maxsize=256)
def table_id(name: str) -> TableId:
    """Return the parts of a whole id.

    Raises:
        ValueError: it is none.

    >>> table_id("1h.60s.pearson").short
    '1h.pearson'
    """
    try:
        known = table_definition(name, 1)
    except SettingsError as error:
        raise ValueError(str(error)) from error
    window, sampling, method = name.split(".")
    return TableId(known.window_s, name, window, sampling, method, known.sampling_s, known.step_s)


def resolved(key: str, tables: Iterable[TableId]) -> TableId | None:
    """Return the table that a whole or a short id means, None if there is no such table.

    Of several with a window and method the short id is that of the finest sampling.
    """
    named = sorted(tables, key=lambda table: table.sampling_s)
    return next((table for table in named if key in (table.name, table.short)), None)


def longer_than(table: TableId, tables: Iterable[TableId]) -> TableId | None:
    """Return the table of the same method with the next longer window, None if there is none."""
    longer = [
        other
        for other in tables
        if other.method == table.method and other.window_s > table.window_s
    ]
    return min(longer, default=None)
