"""Published rows against the oracle's: every difference as one line of text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOLERANCE = 1e-9
WINDOW_FIELDS = ("mean", "mean_bps", "tick_mean", "min", "max", "n", "coverage")
FIELDS = (
    *("bid", "ask", "mid", "spread", "spread_bps", "stale"),
    *(f"windows.15s.{name}" for name in WINDOW_FIELDS),
)

Row = dict[str, Any]
Key = tuple[str, int]
_MISSING = object()


@dataclass
class Summary:
    """How many rows were compared, how far floats lie apart, and what does not agree.

    `largest` holds by field the largest |published − oracle| / max(1, |oracle|).
    """

    published: int = 0
    expected: int = 0
    compared: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the summary as a few lines."""
        rows = f"rows: {self.published} published, {self.expected} by the oracle"
        lines = [f"{rows}, {self.compared} in both; {len(self.differences)} differences"]
        lines += [f"  {name}: at most {value:.3g} apart" for name, value in self.largest.items()]
        return "\n".join([*lines, *self.differences[:50]])


def key_of(row: Mapping[str, Any]) -> Key:
    """Return market and `as_of` in nanoseconds, however the time is written."""
    moment = datetime.fromisoformat(str(row["as_of"]).replace("Z", "+00:00"))
    whole = moment.astimezone(UTC)
    return str(row["market"]), int(whole.timestamp()) * 1_000_000_000 + whole.microsecond * 1000


def _value(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        if name not in value:
            return _MISSING
        value = value[name]
    return value


def _as_text(value: Any) -> str:
    return "missing" if value is _MISSING else repr(value)


def close(published: float, expected: float) -> bool:
    """Return whether two floats agree to 1e-9, relative or absolute."""
    return math.isclose(published, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _compare(key: Key, published: Row, expected: Row, summary: Summary) -> None:
    where = f"{key[0]} {expected['as_of']}"
    for path in FIELDS:
        mine, theirs = _value(published, path), _value(expected, path)
        numbers = isinstance(mine, float | int) and isinstance(theirs, float)
        if numbers and not isinstance(mine, bool):
            apart = abs(mine - theirs) / max(1.0, abs(theirs))
            summary.largest[path] = max(apart, summary.largest.get(path, 0.0))
            if close(mine, theirs):
                continue
        elif type(mine) is type(theirs) and mine == theirs:
            continue
        text = f"{where} {path}: published {_as_text(mine)}, oracle {_as_text(theirs)}"
        summary.differences.append(text)
    mine, theirs = published.get("reasons") or {}, expected.get("reasons") or {}
    for path in sorted(mine.keys() | theirs.keys()):
        ours, other = mine.get(path, _MISSING), theirs.get(path, _MISSING)
        if ours != other:
            text = f"{where} reason of {path}: published {_as_text(ours)}"
            summary.differences.append(f"{text}, oracle {_as_text(other)}")


def compare(published_rows: Iterable[Row], oracle_rows: Iterable[Row]) -> Summary:
    """Return how the published rows differ from the oracle's, keyed by market and `as_of`.

    A row that is published twice must be the same both times.
    """
    summary = Summary()
    published: dict[Key, Row] = {}
    for row in published_rows:
        summary.published += 1
        key = key_of(row)
        if published.setdefault(key, row) != row:
            summary.differences.append(f"{key[0]} {row['as_of']}: published twice, differently")
    expected = {key_of(row): row for row in oracle_rows}
    summary.expected = len(expected)
    for key in sorted(published.keys() | expected.keys()):
        if key not in published:
            summary.differences.append(f"{key[0]} {expected[key]['as_of']}: row missing")
        elif key not in expected:
            summary.differences.append(f"{key[0]} {published[key]['as_of']}: row not expected")
        else:
            summary.compared += 1
            _compare(key, published[key], expected[key], summary)
    return summary


def differences(published_rows: Iterable[Row], oracle_rows: Iterable[Row]) -> list[str]:
    """Return one line for every value, reason or row that is not the oracle's."""
    return compare(published_rows, oracle_rows).differences
