"""Published rows and closes against the oracle's: every difference as one line of text.

Every field of the oracle's rows is asked for, so what the other side lacks is a difference; what
it has beyond them (names of a market's parts) is not looked at. Floats agree to 1e-9 of the
greater one; those without a unit of money or coins (bps, shares, seconds, z) also when they are
1e-9 apart, since there values near 0 are differences of greater ones. Everything else must be
equal, and of the same type: counts, nulls, `stale`, reasons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.oracle.rows import Close, Closes

TOLERANCE = 1e-9
OF_MONEY_OR_COINS = frozenset(
    (
        *("bid", "ask", "bid_size", "ask_size", "mid", "spread", "mean", "tick_mean"),
        *("min", "max", "depth", "trade_low", "trade_high"),
    )
)
_NO_FIELDS = frozenset(("market", "as_of", "reasons"))

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


def paths_in(row: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield the path of every field of a row, such as `windows.15s.mean`."""
    for name, value in row.items():
        path = f"{before}{name}"
        if isinstance(value, dict) and path != "reasons":
            yield from paths_in(value, f"{path}.")
        elif path not in _NO_FIELDS:
            yield path


def _value(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _as_text(value: Any) -> str:
    return "missing" if value is _MISSING else repr(value)


def close(path: str, published: float, expected: float) -> bool:
    """Return whether two floats of the field `path` agree."""
    has_unit = path.rpartition(".")[2] in OF_MONEY_OR_COINS
    nearest = 0.0 if has_unit else TOLERANCE
    return math.isclose(published, expected, rel_tol=TOLERANCE, abs_tol=nearest)


def _compare(key: Key, published: Row, expected: Row, summary: Summary) -> None:
    where = f"{key[0]} {expected['as_of']}"
    for path in paths_in(expected):
        mine, theirs = _value(published, path), _value(expected, path)
        is_number = isinstance(mine, float | int) and not isinstance(mine, bool)
        if is_number and isinstance(theirs, float):
            apart = abs(mine - theirs) / max(1.0, abs(theirs))
            summary.largest[path] = max(apart, summary.largest.get(path, 0.0))
            if close(path, mine, theirs):
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


def compare_closes(
    published: Iterable[tuple[tuple[str, int, str], Close]], oracle: Closes
) -> list[str]:
    """Return one line for every record of closes that is not the oracle's.

    A record is told as ((exchange, partition, as_of), by market (mid, n)). One that is there
    twice must be the same.
    """
    found: list[str] = []
    seen: dict[tuple[str, int, str], Close] = {}
    for key, close_of_second in published:
        if seen.setdefault(key, close_of_second) != close_of_second:
            found.append(f"closes {key}: published twice, differently")
    for key in sorted(seen.keys() | oracle.keys()):
        if key not in seen:
            found.append(f"closes {key}: record missing")
            continue
        if key not in oracle:
            found.append(f"closes {key}: record not expected")
            continue
        mine, theirs = seen[key], oracle[key]
        for market in sorted(mine.keys() | theirs.keys()):
            ours, other = mine.get(market, _MISSING), theirs.get(market, _MISSING)
            if ours is _MISSING or other is _MISSING or not _same_close(ours, other):
                text = f"closes {key} {market}: published {_as_text(ours)}"
                found.append(f"{text}, oracle {_as_text(other)}")
    return found


def _same_close(mine: Any, theirs: Any) -> bool:
    (mid, n), (other_mid, other_n) = mine, theirs
    if mid is None or other_mid is None:
        return mid is other_mid and n == other_n
    return n == other_n and close("mid", mid, other_mid)
