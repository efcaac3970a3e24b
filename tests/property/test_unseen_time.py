"""The unseen time of one market within a second, against every moment asked by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.records.bursts import Unseen, UnseenReason
from models.statistics.unseen_time import UnseenTime, unseen_time
from tests.stories import REASONS

BEGIN, END = 100, 120
"""A second of twenty nanoseconds is enough: nothing in here knows how long one is."""

USD = "kraken:BTC-USD"
QUOTE_TIMES = st.lists(st.integers(BEGIN, END - 1), max_size=5).map(sorted)
DEAD = st.none() | st.sampled_from(("gap", "down"))


@st.composite
def intervals(draw: st.DrawFn) -> list[Unseen]:
    """Draw intervals that reach into the second or begin in it, in the order of a log."""
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(BEGIN - 5, END - 1))
        end = draw(st.integers(max(start, BEGIN + 1 if start < BEGIN else start), END + 5))
        rows.append(Unseen(USD, start, end, draw(st.sampled_from(REASONS))))
    return rows


def ended(
    t: int, rows: Sequence[Unseen], dead: UnseenReason | None
) -> list[tuple[int, int, UnseenReason]]:
    """Return the lasting intervals that ended at or before `t`: their ends, places, reasons."""
    before: list[tuple[int, int, UnseenReason]] = [] if dead is None else [(BEGIN, -1, dead)]
    return before + [
        (row.end, place, row.reason)
        for place, row in enumerate(rows)
        if row.reason != "stale" and row.end <= t
    ]


def dead_at(
    t: int, quotes: Sequence[int], rows: Sequence[Unseen], dead: UnseenReason | None
) -> UnseenReason | None:
    """Return why the market is dead at `t`: of what ended last without a quote since."""
    left = [
        one for one in ended(t, rows, dead) if not any(one[0] <= quote <= t for quote in quotes)
    ]
    return max(left)[2] if left else None


def unseen_at(
    t: int, quotes: Sequence[int], rows: Sequence[Unseen], dead: UnseenReason | None
) -> bool:
    """Return whether `t` lies in an interval or is dead."""
    inside = any(row.start <= t < row.end for row in rows)
    return inside or dead_at(t, quotes, rows, dead) is not None


def whole(found: UnseenTime) -> set[int]:
    """Return every nanosecond of the intervals found."""
    pairs = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    return {t for start, end in pairs for t in range(start, end)}


@settings(max_examples=300, deadline=None)
@given(QUOTE_TIMES, intervals(), DEAD)
def test_every_nanosecond_is_unseen_for_the_reason_the_contract_names(
    quotes: list[int], rows: list[Unseen], dead: UnseenReason | None
) -> None:
    found = unseen_time(BEGIN, END, np.array(quotes, np.int64), rows, dead)
    assert whole(found) == {t for t in range(BEGIN, END) if unseen_at(t, quotes, rows, dead)}
    around = [(r.start, n, r.reason) for n, r in enumerate(rows) if r.end >= END]
    last = max(around)[2] if around else dead_at(END - 1, quotes, rows, dead)
    assert found.reason_at_end == last
    # What ends with the second itself is dead in the next one: no quote can lie between.
    at_end = [one for one in ended(END, rows, dead) if one[0] == END]
    assert found.dead == (max(at_end)[2] if at_end else dead_at(END - 1, quotes, rows, dead))


@settings(max_examples=200, deadline=None)
@given(QUOTE_TIMES, intervals(), DEAD, st.lists(st.integers(BEGIN, END), max_size=8))
def test_unseen_time_before_a_moment_and_whether_it_is_unseen_are_counted_by_nanoseconds(
    quotes: list[int], rows: list[Unseen], dead: UnseenReason | None, asked: list[int]
) -> None:
    """The intervals are disjoint, rising and none is empty."""
    found = unseen_time(BEGIN, END, np.array(quotes, np.int64), rows, dead)
    assert (found.starts < found.ends).all()
    assert (found.ends[:-1] < found.starts[1:]).all()
    inside = whole(found)
    times = np.array(asked, np.int64)
    assert found.before(times).tolist() == [sum(u < t for u in inside) for t in asked]
    assert found.contains(times).tolist() == [t in inside for t in asked]


@settings(max_examples=150, deadline=None)
@given(QUOTE_TIMES, intervals(), DEAD, st.integers(BEGIN + 1, END - 1))
def test_cutting_a_second_in_two_changes_no_moment(
    quotes: list[int], rows: list[Unseen], dead: UnseenReason | None, cut: int
) -> None:
    """The first part hands on to the second that the market is dead, and why."""
    together = unseen_time(BEGIN, END, np.array(quotes, np.int64), rows, dead)
    first = unseen_time(
        BEGIN,
        cut,
        np.array([t for t in quotes if t < cut], np.int64),
        [row for row in rows if row.start < cut],
        dead,
    )
    second = unseen_time(
        cut,
        END,
        np.array([t for t in quotes if t >= cut], np.int64),
        [row for row in rows if row.end > cut or row.start >= cut],
        first.dead,
    )
    assert whole(first) | whole(second) == whole(together)
    assert (second.dead, second.reason_at_end) == (together.dead, together.reason_at_end)
