"""Differences of decimal prices are decimals."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.statistics.decimals import price_difference, price_middle


@given(
    st.integers(1, 10**12),
    st.integers(-(10**6), 10**6),
    st.integers(0, 12),
)
def test_difference_and_middle_are_the_decimals_own_floats(
    price: int, step: int, decimals: int
) -> None:
    """For prices of up to 13 digits at any tick size, as Python's decimals compute it."""
    high, low = Decimal(price).scaleb(-decimals), Decimal(price + step).scaleb(-decimals)
    if low <= 0:
        return
    ask, bid = np.array([float(high)]), np.array([float(low)])
    assert price_difference(ask, bid).tolist() == [float(high - low)]
    assert price_middle(bid, ask).tolist() == [float((high + low) / 2)]


def test_a_missing_side_stays_missing() -> None:
    """NaN in, NaN out."""
    assert np.isnan(price_difference(np.array([np.nan]), np.array([1.0]))).all()
