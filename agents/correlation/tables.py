"""The tables of the correlation agent, declared by their ids: `window.sampling.method`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, cast, get_args

import msgspec

from models.errors import SettingsError
from models.partition import partition_of

Method = Literal["pearson", "spearman", "ewma", "hayashi_yoshida"]

MINUTE_S = 60
_STEP_S = 10
_LONG_STEP_S = 60
_LONG_SAMPLING_S = 300
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhd])\Z")


class TableDefinition(msgspec.Struct, frozen=True):
    """One table; everything is in seconds.

    `row_s` is the time between two live rows: the step, or the sampling where that is shorter.
    `most_coins` is None where every coin takes part.
    """

    name: str
    method: Method
    window_s: int
    sampling_s: int
    step_s: int
    row_s: int
    most_coins: int | None

    @property
    def rows(self) -> int:
        """Return how many rows the window spans."""
        return self.window_s // self.row_s

    @property
    def lag(self) -> int:
        """Return over how many rows a return of live rows reaches."""
        return self.sampling_s // self.row_s

    @property
    def slots(self) -> int:
        """Return how many steps are kept: the window, and what its first returns begin with."""
        return -(-(self.window_s + self.sampling_s) // self.step_s)

    @property
    def uses_candles(self) -> bool:
        """Return whether rows before the first live one are made from one-minute candles."""
        return self.sampling_s % MINUTE_S == 0

    def partition(self, partitions: int) -> int:
        """Return the partition in which this table lives."""
        return partition_of(self.name, partitions)


def table_definition(name: str, many_coins: int) -> TableDefinition:
    """Return the table of an id; `many_coins` limits the methods that are dear.

    Raises:
        SettingsError: the id is none, or its parts do not fit each other.

    >>> table_definition("1h.60s.pearson", 50).lag
    6
    """
    parts = name.split(".")
    if len(parts) != 3 or parts[2] not in get_args(Method):
        methods = ", ".join(get_args(Method))
        raise SettingsError(
            f"expected a table such as 1h.60s.pearson (methods: {methods}), was {name!r}"
        )
    window_s, sampling_s = _seconds(parts[0], name), _seconds(parts[1], name)
    method = cast(Method, parts[2])
    step_s = _LONG_STEP_S if sampling_s >= _LONG_SAMPLING_S else _STEP_S
    by_second = method == "hayashi_yoshida"
    if by_second and sampling_s != 1:
        raise SettingsError(f"expected a sampling of 1s for hayashi_yoshida, was {name!r}")
    if not by_second and sampling_s % step_s:
        raise SettingsError(f"expected a sampling of whole steps ({step_s} s), was {name!r}")
    if window_s % step_s or window_s <= sampling_s:
        raise SettingsError(
            f"expected a window longer than the sampling, of whole steps ({step_s} s), was {name!r}"
        )
    return TableDefinition(
        name,
        method,
        window_s,
        sampling_s,
        step_s,
        1 if by_second else step_s,
        None if method == "pearson" else many_coins,
    )


def table_definitions(names: Iterable[str], many_coins: int) -> list[TableDefinition]:
    """Return the tables of a setting, each once.

    Raises:
        SettingsError: an id is none.
    """
    return [table_definition(name, many_coins) for name in dict.fromkeys(names)]


def _seconds(text: str, name: str) -> int:
    match = _SPAN.match(text)
    if match is None:
        raise SettingsError(f"expected a time such as 60s, 5m or 1h, was {text!r} in {name!r}")
    return int(match[1]) * _SECONDS[match[2]]
