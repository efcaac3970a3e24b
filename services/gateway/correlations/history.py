"""The history of a pair: what was published of late, and what follows from the returns of rows."""

from __future__ import annotations

import msgspec
import numpy as np

from models.records.correlations import WHY
from models.statistics.correlation import interval, pair_history, row_weight
from models.times import iso_seconds
from services.gateway.items import Figures
from services.gateway.lists import Window, cursor_of, number_of
from services.gateway.memory.matrix import Matrix
from services.gateway.memory.memory import Memory
from services.gateway.memory.returns import WITH_HISTORY, PairReturns
from services.gateway.memory.table_ids import TableId

_CANDLE_S = 60
_SECOND = 1_000_000_000
_THIN, _WARMING = WHY.index("thin"), WHY.index("warming")


class HistoryPage(msgspec.Struct, frozen=True):
    """A page of a pair's correlation over time."""

    data: list[Figures]
    next: str | None
    complete_from: str | None
    gaps: list[list[str]] = []


def history_of(
    memory: Memory,
    table: TableId,
    pair: tuple[str, str],
    steps: tuple[int, int],
    length_s: int,
    window: Window,
    *,
    has_start: bool,
) -> HistoryPage:
    """Return a pair's correlation at multiples of `length_s` with numbers in `steps`.

    What was published of late is shown as it was; before that Pearson's follows from the returns
    of 26 h. Without a start the newest ones.
    """
    if window.cursor is not None:
        # The same place as in the archive's pages: a walk may go on in the other one's.
        seen = number_of(window.cursor) // _SECOND // length_s
        steps = max(steps[0], seen + 1), steps[1]
    span = steps[0] * length_s, steps[1] * length_s
    is_computed = table.method == WITH_HISTORY
    points = dict(_computed(memory, table, pair, span, length_s)) if is_computed else {}
    points |= dict(published_points(memory, table, pair, span, length_s))
    found = sorted(points.items())
    if not has_start and window.cursor is None:
        page, rest = found[-window.limit :], False
    else:
        page, rest = found[: window.limit], len(found) > window.limit
    complete_from = memory.returns.complete_from(table.name) if is_computed else None
    if not is_computed and (kept := memory.correlations.matrices(table.name)):
        complete_from = kept[0].as_of
    return HistoryPage(
        data=[figures for _, figures in page],
        next=cursor_of(str(page[-1][0] * _SECOND)) if rest else None,
        complete_from=None if complete_from is None else iso_seconds(complete_from),
    )


def _computed(
    memory: Memory, table: TableId, pair: tuple[str, str], span: tuple[int, int], length_s: int
) -> list[tuple[int, Figures]]:
    # The first window that is asked for begins a window earlier.
    begin = max(span[0] - table.window_s, 0)
    found = memory.returns.pair(table.name, *pair, begin, span[1])
    if found is None:
        return []
    complete_from = memory.returns.complete_from(table.name) or 0
    return computed_points(table, found, span, length_s, complete_from)


def computed_points(
    table: TableId, found: PairReturns, span: tuple[int, int], length_s: int, complete_from: int
) -> list[tuple[int, Figures]]:
    """Return points at multiples of `length_s` with `as_of` from `span[0]` on, by `as_of`.

    `found` are the rows from a window before; `complete_from` is when the first row was. Seconds.
    """
    if not len(found.as_of):
        return []
    rows = table.window_s // table.step_s
    live = row_weight(table.sampling_s, table.step_s)
    rest = row_weight(table.sampling_s, max(table.step_s, _CANDLE_S))
    weight = np.where(found.is_rest, rest, live)
    history = pair_history(found.first, found.second, weight, rows)
    first_whole = complete_from + table.window_s
    why = np.where((history.why == _THIN) & (found.as_of < first_whole), _WARMING, history.why)
    wanted = (found.as_of >= span[0]) & (found.as_of % length_s == 0)
    return [
        (
            int(found.as_of[i]),
            _point(
                table, int(found.as_of[i]), history.correlation[i], history.low[i],
                history.high[i], history.n[i], history.n_effective[i], int(why[i]),
            ),
        )
        for i in np.flatnonzero(wanted)
    ]  # fmt: skip


def published_points(
    memory: Memory, table: TableId, pair: tuple[str, str], span: tuple[int, int], length_s: int
) -> list[tuple[int, Figures]]:
    """Return points of the matrices that are kept, with `as_of` in `span` (seconds)."""
    found = []
    for matrix in memory.correlations.matrices(table.name):
        if not span[0] <= matrix.as_of < span[1] or matrix.as_of % length_s:
            continue
        found.append((matrix.as_of, matrix_point(table, matrix, pair)))
    return found


def matrix_point(table: TableId, matrix: Matrix, pair: tuple[str, str]) -> Figures:
    """Return the point of a pair in a matrix."""
    part = matrix.of(pair)
    low, high = interval(part.matrix, part.n_effective)
    return _point(
        table, matrix.as_of, part.matrix[0, 1], low[0, 1], high[0, 1], part.n[0, 1],
        part.n_effective[0, 1], int(part.why[0, 1]),
    )  # fmt: skip


def _point(
    table: TableId,
    as_of: int,
    correlation: float,
    low: float,
    high: float,
    n: int,
    n_effective: float,
    why: int,
) -> Figures:
    numbers = {"correlation": correlation, "low": low, "high": high}
    reason = WHY[why] or "thin"
    return {
        "as_of": iso_seconds(as_of),
        "window": table.window,
        **{name: float(x) if x == x else None for name, x in numbers.items()},
        "n": int(n),
        "n_effective": float(n_effective),
        "stale": False,
        "reasons": {name: reason for name, x in numbers.items() if x != x},
    }
