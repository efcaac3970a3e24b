"""Panes in their ring, and the windows merged from them."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.runtime.panes import Pane, PaneColumns, PaneRing

COLUMNS = PaneColumns(sums=("total", "count"), minima=("least",), maxima=("most",))
FLOATS = st.floats(-1e6, 1e6)
WHOLE = st.integers(-(2**40), 2**40).map(float)
Values = dict[str, list[float]]


@st.composite
def panes(draw: st.DrawFn, width: int, values: st.SearchStrategy[float] = FLOATS) -> Values:
    """Draw a pane of `width` markets; a market without ticks has no least and no most."""
    pane: Values = {name: [] for name in ("total", "count", "least", "most")}
    for _ in range(width):
        pane["total"].append(draw(values))
        pane["count"].append(float(draw(st.integers(0, 9))))
        pane["least"].append(draw(st.one_of(values, st.just(math.inf))))
        pane["most"].append(draw(st.one_of(values, st.just(-math.inf))))
    return pane


def columns(pane: Values) -> Pane:
    """Return a pane as arrays."""
    return {name: np.array(column) for name, column in pane.items()}


def merge(*parts: Pane) -> dict[str, list[float]]:
    """Merge panes of one width, side by side in time, as a window does."""
    ring = PaneRing(COLUMNS, len(parts))
    for index, part in enumerate(parts):
        ring.put(index, part)
    width = len(parts[0]["total"])
    return {
        name: column.tolist() for name, column in ring.merged(len(parts), len(parts), width).items()
    }


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_window_is_its_panes_added_in_time_order_whatever_was_put_when(
    data: st.DataObject,
) -> None:
    """Compared exactly: slots taken again, panes left out, panes of more and of fewer markets."""
    slots = data.draw(st.integers(1, 9))
    ring = PaneRing(COLUMNS, slots)
    put: dict[int, Values] = {}
    index = data.draw(st.integers(0, 100))
    for _ in range(data.draw(st.integers(0, 12))):
        index += data.draw(st.sampled_from((1, 1, 1, 2, slots, slots + 3)))
        width = data.draw(st.integers(0, 4))
        if width:
            put[index] = data.draw(panes(width))
            ring.put(index, columns(put[index]))
    end = index + data.draw(st.integers(0, slots))
    # A window lies within the ring: what it needs must not be behind the newest by more.
    count = data.draw(st.integers(0, max(0, slots - max(0, index + 1 - end))))
    wanted = data.draw(st.integers(0, 6))
    held = [put[i] for i in range(end - count, end) if i in put and i > index - slots]
    found = ring.merged(end, count, wanted)
    for market in range(wanted):
        mine = [{name: pane[name][market] for name in pane} for pane in held if _has(pane, market)]
        assert found["total"][market] == reduce(lambda s, p: s + p["total"], mine, 0.0)
        assert found["count"][market] == reduce(lambda s, p: s + p["count"], mine, 0.0)
        assert found["least"][market] == min((p["least"] for p in mine), default=math.inf)
        assert found["most"][market] == max((p["most"] for p in mine), default=-math.inf)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_merging_is_associative(data: st.DataObject) -> None:
    """Exactly for whole numbers such as times and counts, and for least and most."""
    width = data.draw(st.integers(1, 3))
    a, b, c = (columns(data.draw(panes(width, WHOLE))) for _ in range(3))
    whole = merge(a, b, c)
    assert merge(columns(merge(a, b)), c) == whole
    assert merge(a, columns(merge(b, c))) == whole


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_merging_from_the_left_is_exact_for_any_numbers(data: st.DataObject) -> None:
    """A window that is merged pane by pane has the bits of one that is merged at once."""
    width = data.draw(st.integers(1, 3))
    parts = [columns(data.draw(panes(width))) for _ in range(data.draw(st.integers(1, 8)))]
    assert (
        reduce(lambda sum_, part: columns(merge(sum_, part)), parts[1:], parts[0])["total"].tolist()
        == (merge(*parts)["total"])
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_neutral_pane_changes_nothing(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 3))
    pane = columns(data.draw(panes(width)))
    neutral = {name: np.full(width, value) for name, value in COLUMNS.neutral().items()}
    alone = merge(pane)
    assert merge(neutral, pane) == alone
    assert merge(pane, neutral) == alone


def _has(pane: Values, market: int) -> bool:
    return market < len(pane["total"])
