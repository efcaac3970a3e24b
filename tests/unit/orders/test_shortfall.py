"""What passive orders saved, placement by placement, against a direct count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fees import Fees
from models.orders.limit_price import Side
from models.orders.shortfall import Seconds, newey_west_error, saving

FEES = Fees(2.0, 5.0)

one_second = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)),
    st.integers(95, 100),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(92, 106)),
    st.booleans(),
)


def direct(
    side: Side,
    rows: list[tuple[int | None, int, int, int | None, bool]],
    horizon: int,
    every: int,
) -> tuple[list[float], int, int]:
    """Return the savings, how many were filled and how many left out; one order after the other."""
    savings, filled, left_out = [], 0, 0
    for i in range(0, len(rows) - horizon, every):
        offset, bid, width, _, _ = rows[i]
        ask = bid + width
        ahead = rows[i + 1 : i + 1 + horizon]
        if offset is None or not all(row[4] for row in ahead):
            left_out += 1
            continue
        mid = (bid + ask) / 2
        _, last_bid, last_width, _, _ = rows[i + horizon]
        if side == "buy":
            price, now, later = bid + offset, ask, last_bid + last_width
            hit = any(row[3] is not None and row[3] < price for row in ahead)
            cost = 1e4 * (price / mid - 1) + 2.0 if hit else 1e4 * (later / mid - 1) + 5.0
            at_once = 1e4 * (now / mid - 1) + 5.0
        else:
            price, now, later = ask - offset, bid, last_bid
            hit = any(row[3] is not None and row[3] > price for row in ahead)
            cost = 1e4 * (1 - price / mid) + 2.0 if hit else 1e4 * (1 - later / mid) + 5.0
            at_once = 1e4 * (1 - now / mid) + 5.0
        savings.append(at_once - cost)
        filled += hit
    return savings, filled, left_out


@given(
    st.lists(one_second, max_size=40),
    st.integers(1, 6),
    st.integers(1, 7),
    st.sampled_from(["buy", "sell"]),
)
def test_the_saving_is_that_of_a_direct_count(
    rows: list[tuple[int | None, int, int, int | None, bool]],
    horizon: int,
    every: int,
    side: Side,
) -> None:
    bid = np.array([row[1] for row in rows], float)
    ask = bid + np.array([row[2] for row in rows])
    offset = np.array([math.nan if row[0] is None else row[0] for row in rows], float)
    trades = [row[3] for row in rows]
    seconds = Seconds(
        bid + offset if side == "buy" else ask - offset,
        bid,
        ask,
        np.array([np.inf if trade is None else trade for trade in trades]),
        np.array([-np.inf if trade is None else trade for trade in trades]),
        np.array([row[4] for row in rows], np.bool_),
    )
    found = saving(side, seconds, FEES, horizon, every)
    savings, filled, left_out = direct(side, rows, horizon, every)
    assert (found.n, found.filled, found.left_out) == (len(savings), filled, left_out)
    if savings:
        assert found.mean_bps == pytest.approx(sum(savings) / len(savings), abs=1e-9)
        assert found.low_bps is not None
        assert found.high_bps is not None
        assert found.mean_bps is not None
        assert found.low_bps <= found.mean_bps <= found.high_bps
    else:
        assert found.mean_bps is None


def test_nothing_after_a_placement_changes_its_price_or_the_saving_of_one_that_is_over() -> None:
    """No look-ahead: what comes after the horizon of the first order does not touch it."""
    count = 20
    bid, ask = np.full(count, 99.0), np.full(count, 101.0)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    low[3] = 98.0
    seen = np.ones(count, np.bool_)
    first = saving("buy", Seconds(bid + 0.5, bid, ask, low, high, seen), FEES, 5, 100)
    low[6:], ask[6:] = 1.0, 500.0
    again = saving("buy", Seconds(bid + 0.5, bid, ask, low, high, seen), FEES, 5, 100)
    assert first == again
    assert (first.n, first.filled) == (1, 1)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.integers(0, 8))
def test_the_error_is_newey_and_wests(values: list[float], lag: int) -> None:
    """By the double sum of its definition."""
    n = len(values)
    mean = sum(values) / n
    total = 0.0
    for i in range(n):
        for j in range(n):
            if abs(i - j) <= lag:
                total += (1 - abs(i - j) / (lag + 1)) * (values[i] - mean) * (values[j] - mean)
    expected = math.sqrt(max(0.0, total)) / n
    assert newey_west_error(np.array(values), lag) == pytest.approx(expected, abs=1e-6)
