"""As-of joins against pandas' own, whatever the times; medians against numpy's."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.features.as_of import Track, ages, median, places, taken

_MOMENTS = st.integers(0, 100)
_VALUES = st.none() | st.floats(-1e6, 1e6)


@given(st.dictionaries(_MOMENTS, _VALUES), st.lists(_MOMENTS, min_size=1), st.integers(0, 120))
def test_the_row_in_force_is_that_of_a_naive_join(
    rows: dict[int, float | None], at: list[int], limit: int
) -> None:
    """The newest at or before, undefined values too, none that is older than the limit."""
    times = np.array(sorted(rows), np.int64)
    values = np.array([rows[int(time)] for time in times], np.float64)
    moments = np.array(sorted(at), np.int64)
    track = Track(times, {"value": values})
    found = places(track, moments, limit)
    expected = pd.merge_asof(
        pd.DataFrame({"time": moments}),
        pd.DataFrame({"seen": times, "value": values}),
        left_on="time",
        right_on="seen",
        tolerance=limit,
    )
    np.testing.assert_array_equal(taken(values, found), expected["value"])
    age = (expected["time"] - expected["seen"]) / 1e6
    np.testing.assert_array_equal(ages(track, found, moments), age)


@given(
    st.lists(st.tuples(_MOMENTS, st.integers(0, 9)), unique_by=lambda row: row[0]),
    st.lists(_MOMENTS, min_size=1),
)
def test_a_row_is_not_in_force_before_it_is_known(
    rows: list[tuple[int, int]], at: list[int]
) -> None:
    times = np.array(sorted(time for time, _ in rows), np.int64)
    late = dict(rows)
    known = np.maximum.accumulate(np.array([t + late[int(t)] for t in times], np.int64))
    found = places(Track(times, {}, known), np.array(at, np.int64), 1_000)
    for moment, place in zip(at, found, strict=True):
        there = [i for i, time in enumerate(known) if time <= moment]
        assert place == max(there, default=-1)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)),
           elements=st.floats(-1e6, 1e6) | st.just(np.nan))
)  # fmt: skip
def test_the_median_is_numpys(values: np.ndarray) -> None:
    for column, found in zip(values.T, median(values), strict=True):
        defined = column[~np.isnan(column)]
        if len(defined):
            assert found == np.median(defined)
        else:
            assert np.isnan(found)
