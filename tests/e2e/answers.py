"""What must hold in every answer, whatever it is about: reasons, times, numbers.

Each function returns one line for every place where it does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from models.records.reasons import Reason

REASONS = frozenset(get_args(Reason))

NO_FIGURES = frozenset(("next", "complete_from", "detail", "change"))
"""May be null without a reason: places in a list, text and parts that are not always there."""

BEFORE_THE_FIRST = NO_FIGURES | {"seq", "prev_seq", "ts_event", "ts_publish"}
"""What is null beside `data` in the snapshot of a key that has no value yet."""

_CELLS = ("matrix", "low", "high")
_BY_COIN = ("sigma", "ticks")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_LIKE_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def parsed(text: str | bytes) -> Any:
    """Return JSON; NaN and Infinity, which JSON does not know, are refused.

    Raises:
        ValueError: it is none.
    """

    def refuse(name: str) -> float:
        raise ValueError(f"expected a number, was {name}")

    return json.loads(text, parse_constant=refuse)


def faults(answer: Any) -> list[str]:
    """Return everything that is wrong with an answer."""
    return [*unreasoned(answer), *bad_times(answer), *bad_shares(answer)]


def unreasoned(answer: Any) -> list[str]:
    """Return nulls without a reason, reasons without a null, and reasons out of no list."""
    found: list[str] = []
    for where, row in _rows(answer, ""):
        reasons: dict[str, str] = row["reasons"]
        nulls = list(_nulls(row, "", row.get("coins")))
        no_figures = BEFORE_THE_FIRST if "data" in nulls else NO_FIGURES
        bare = [
            path
            for path in nulls
            if path.rpartition(".")[2] not in no_figures and not _of(path, reasons)
        ]
        found += [f"{where}{path}: null without a reason" for path in bare]
        found += [
            f"{where}reasons.{path}: {why} is in no list"
            for path, why in reasons.items()
            if why not in REASONS
        ]
        found += [
            f"{where}reasons.{path}: {why}, but it is not null"
            for path, why in reasons.items()
            if why != "line_delayed"
            and row.get(path) != {}
            and not any(path == null or null.startswith(f"{path}.") for null in nulls)
        ]
    return found


def bad_times(answer: Any) -> list[str]:
    """Return times that are not ISO-8601 with `Z`, whole or with microseconds."""
    return [
        f"{path}: {value} is no time"
        for path, value in _leaves(answer, "")
        if isinstance(value, str)
        and _LIKE_TIME.match(value)
        and (not _TIME.fullmatch(value) or value.endswith(".000000Z"))
    ]


def bad_shares(answer: Any) -> list[str]:
    """Return shares outside of 0 to 1, and counts below 0."""
    found: list[str] = []
    for path, value in _leaves(answer, ""):
        if ".reasons." in f".{path}":
            continue
        name = path.rpartition(".")[2]
        if name in ("coverage", "trades_coverage", "rest_share", "rate") and value is not None:
            if "routes" not in path and not 0 <= value <= 1:
                found.append(f"{path}: {value} is no share")
        elif (name == "n" or name.endswith("_n")) and value is not None and value < 0:
            found.append(f"{path}: {value} is no count")
    return found


def _rows(value: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object with reasons of its own."""
    if isinstance(value, dict):
        if isinstance(value.get("reasons"), dict):
            yield where, value
        for name, part in value.items():
            yield from _rows(part, f"{where}{name}.")
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from _rows(part, f"{where}{i}.")


def _nulls(value: Any, path: str, coins: list[str] | None) -> Iterator[str]:
    """Yield the paths of nulls, but for those of objects with reasons of their own."""
    name = path.rpartition(".")[2]
    if value is None:
        yield path
    elif isinstance(value, dict):
        if path and "reasons" in value:
            return
        for key, part in value.items():
            if key != "reasons":
                yield from _nulls(part, f"{path}.{key}" if path else key, coins)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            place = coins[i] if coins and path.partition(".")[0] in (*_CELLS, *_BY_COIN) else i
            if coins and name in _CELLS and isinstance(part, list):
                # The reason of a cell holds for the ends of its interval too.
                for j, cell in enumerate(part):
                    yield from _nulls(cell, f"matrix.{place}.{coins[j]}", None)
            else:
                yield from _nulls(part, f"{path}.{place}", coins)


def _of(path: str, reasons: dict[str, str]) -> str | None:
    """Return the reason of a path, or of what it is a part of."""
    while path:
        if path in reasons:
            return reasons[path]
        path = path.rpartition(".")[0]
    return None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            if isinstance(part, (dict, list, str)):
                yield from _leaves(part, f"{path}.{i}")
    else:
        yield path, value
