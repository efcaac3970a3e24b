"""Prices on a grid of times, and what timestamps are taken for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.errors import InputError
from services.correlate.grid import PriceGrid
from services.correlate.timestamps import TimestampReader

NAN = np.nan


def grid_of(*batches: tuple[list[int], list[float]]) -> list[float]:
    """Return the prices of one coin at 10, 20 and 30, after its batches of times and prices."""
    grid = PriceGrid(end=30, step=10, points=3, coins=1)
    for times, prices in batches:
        grid.add(np.array(times), np.array(prices)[:, None])
    found: list[float] = grid.price[:, 0].tolist()
    return found


def test_a_point_has_the_last_price_of_the_interval_that_ends_there() -> None:
    """An interval holds its end and not its begin; nothing is carried on."""
    assert grid_of(([0, 1, 10, 11, 20, 31], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])) == pytest.approx(
        [3.0, 5.0, NAN], nan_ok=True
    )


def test_an_empty_cell_does_not_hide_the_price_before_it() -> None:
    assert grid_of(([12, 15, 25], [1.0, NAN, 2.0])) == pytest.approx([NAN, 1, 2], nan_ok=True)


def test_of_one_time_the_last_to_come_counts_within_a_batch_and_across_batches() -> None:
    assert grid_of(([10, 20, 20, 30], [1.0, 2.0, 3.0, 4.0]), ([10], [5.0])) == [5.0, 3.0, 4.0]


def test_what_is_earlier_does_not_replace_what_is_later_however_it_comes() -> None:
    assert grid_of(([30, 9, 20, 8], [1.0, 2.0, 3.0, 4.0]), ([19, 29], [5.0, 6.0])) == [2, 3, 1]


def test_the_first_price_is_told_even_from_before_the_grid_and_never_from_after_it() -> None:
    grid = PriceGrid(end=30, step=10, points=2, coins=3)
    grid.add(np.array([-50, 25, 35]), np.array([[NAN, 1, NAN], [2, 2, NAN], [3, 3, 3]]))
    assert grid.first.tolist() == [25, -50, np.iinfo(np.int64).max]


def test_the_first_rows_decide_the_unit_of_an_epoch() -> None:
    reader = TimestampReader()
    assert reader.read(pa.array([1_700_000_000])).tolist() == [1_700_000_000 * 10**9]
    with pytest.raises(InputError, match="in the unit of the first ones"):
        reader.read(pa.array([1_700_000_000_000]))


@pytest.mark.parametrize(
    ("texts", "nanoseconds"),
    [
        (["2026-01-01"], [1_767_225_600 * 10**9]),
        (["2026-01-01 00:00:01.000000002"], [1_767_225_601 * 10**9 + 2]),
        (
            ["2026-01-01T01:00:00+01:00", "2025-12-31T19:00:01-05:00"],
            [1_767_225_600 * 10**9, 1_767_225_601 * 10**9],
        ),
        (["1767225600.5", " 1767225601"], [1_767_225_600_500_000_000, 1_767_225_601 * 10**9]),
        (["-1000"], [-1_000 * 10**9]),
    ],
)
def test_texts_are_read_as_iso_or_epoch(texts: list[str], nanoseconds: list[int]) -> None:
    assert TimestampReader().read(pa.array(texts)).tolist() == nanoseconds


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2026-01-01T00:00:00Z", None]),
        pa.array(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00"]),
        pa.array(["2026-13-01"]),
        pa.array([1.7e9, np.inf]),
        pa.array([True]),
    ],
)
def test_what_is_no_time_is_told(column: pa.Array) -> None:
    with pytest.raises(InputError, match="malformed_timestamp: expected"):
        TimestampReader().read(column)
