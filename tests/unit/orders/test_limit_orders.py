"""Limit prices, their costs, fills and routes."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from models.errors import InvariantError
from models.orders.fill_rate import PastSteps, fill_rate, wilson_interval
from models.orders.limit_price import (
    Side,
    break_even_probability,
    limit_price,
    maker_cost_bps,
    taker_cost_bps,
)
from models.orders.route import TopOfBook, routes

SIDES: tuple[Side, ...] = ("buy", "sell")
ticks = st.sampled_from([1e-8, 1e-5, 0.0001, 0.01, 0.05, 0.1, 0.5, 1.0])


def price_of(
    side: Side, bid: float, ask: float, reference_bps: float, tick: float, mid: float | None = None
) -> float:
    return limit_price(side, bid, ask, (bid + ask) / 2 if mid is None else mid, reference_bps, tick)


def test_the_vector_of_the_reference_comes_out() -> None:
    """M = 100, s = 0.12, S = 6 bps, fees 25 / 40: P = 99.97, 46 against 22, q* = 0.294."""
    price = price_of("buy", 99.94, 100.06, 6.0, 0.01, 100.0)
    assert price == 99.97
    taker, maker = taker_cost_bps(12.0, 40.0), maker_cost_bps("buy", price, 100.0, 25.0, 0.0)
    assert (taker, round(maker, 9)) == (46.0, 22.0)
    chance = break_even_probability(taker, maker, 10.0)
    assert chance is not None
    assert round(chance, 3) == 0.294


def test_a_sale_mirrors_a_purchase() -> None:
    price = price_of("sell", 99.94, 100.06, 6.0, 0.01, 100.0)
    assert price == 100.03
    assert maker_cost_bps("sell", price, 100.0, 25.0, 0.0) == pytest.approx(22.0, abs=1e-9)


@given(
    tick=ticks,
    bid=st.integers(1, 10**7),
    width=st.integers(1, 1_000),
    reference=st.floats(0, 5_000),
    side=st.sampled_from(SIDES),
)
def test_a_price_is_on_the_tick_and_never_meets_the_other_side(
    tick: float, bid: int, width: int, reference: float, side: Side
) -> None:
    step = Decimal(repr(tick))
    low, high = bid * step, (bid + width) * step
    price = Decimal(repr(price_of(side, float(low), float(high), reference, tick)))
    assert price % step == 0
    assert (low <= price < high) if side == "buy" else (low < price <= high)


@given(bid=st.integers(1, 10**7), tick=ticks, side=st.sampled_from(SIDES))
def test_a_locked_book_still_gives_a_price_that_does_not_cross(
    bid: int, tick: float, side: Side
) -> None:
    at = float(bid * Decimal(repr(tick)))
    price = price_of(side, at, at, 10.0, tick)
    assert price < at if side == "buy" else price > at


def test_an_undefined_input_gives_no_price() -> None:
    assert math.isnan(price_of("buy", 99.0, 101.0, math.nan, 0.01))
    assert math.isnan(price_of("sell", math.nan, 101.0, 3.0, 0.01))


def test_a_tick_of_nothing_is_an_error_of_ours() -> None:
    with pytest.raises(InvariantError, match="tick above 0"):
        price_of("buy", 99.0, 101.0, 3.0, 0.0)


@given(
    taker=st.floats(0, 200),
    maker=st.floats(-100, 200),
    chase=st.floats(0.01, 100, exclude_min=True),
)
def test_at_the_break_even_probability_both_ways_cost_the_same(
    taker: float, maker: float, chase: float
) -> None:
    chance = break_even_probability(taker, maker, chase)
    if maker >= taker:
        assert chance is None
    else:
        assert chance is not None
        both = chance * maker + (1 - chance) * (taker + chase)
        assert both == pytest.approx(taker, rel=1e-9, abs=1e-9)


def test_an_earlier_fill_counts_only_when_a_trade_goes_through_the_price() -> None:
    """Placed at 10 in every step; lows at 10, 9.9 and none: one fill of two within one step."""
    past = PastSteps(
        price=np.full(4, 10.0),
        mid=np.array([10.1, 10.1, 10.1, 10.3]),
        low=np.array([1.0, 10.0, 9.9, np.inf]),
        high=np.array([1.0, 10.2, 10.2, -np.inf]),
        seen=np.array([True, True, True, True]),
    )
    found = fill_rate("buy", past, 1)
    assert (found.rate, found.n, found.misses) == (1 / 3, 3, 2)
    moved = (10.1 / 10.1 - 1 + 10.3 / 10.1 - 1) / 2
    assert found.miss_drift_bps == pytest.approx(1e4 * moved)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(90, 99)),
            st.integers(96, 104),
            st.one_of(st.none(), st.integers(88, 104)),
            st.booleans(),
        ),
        max_size=30,
    ),
    st.integers(1, 6),
    st.sampled_from(SIDES),
)
def test_the_fill_rate_is_that_of_a_direct_count(
    steps: list[tuple[int | None, int, int | None, bool]], horizon: int, side: Side
) -> None:
    """Placement by placement, step by step."""
    sign = 1 if side == "buy" else -1
    price = [math.nan if p is None else float(100 + sign * (p - 100)) for p, _, _, _ in steps]
    mid = [float(m) for _, m, _, _ in steps]
    trade = [None if t is None else float(100 + sign * (t - 100)) for _, _, t, _ in steps]
    seen = [s for _, _, _, s in steps]
    placed = filled = 0
    drifts = []
    for i in range(len(steps) - horizon):
        ahead = range(i + 1, i + 1 + horizon)
        if math.isnan(price[i]) or not all(seen[j] for j in ahead):
            continue
        placed += 1
        if any(t is not None and sign * (t - price[i]) < 0 for t in (trade[j] for j in ahead)):
            filled += 1
        else:
            drifts.append(sign * 1e4 * (mid[i + horizon] / mid[i] - 1))
    found = fill_rate(
        side,
        PastSteps(
            np.array(price),
            np.array(mid),
            np.array([np.inf if t is None else t for t in trade]),
            np.array([-np.inf if t is None else t for t in trade]),
            np.array(seen, np.bool_),
        ),
        horizon,
    )
    assert (found.n, found.misses) == (placed, len(drifts))
    assert found.rate == (filled / placed if placed else None)
    expected = sum(drifts) / len(drifts) if drifts else None
    assert found.miss_drift_bps == (None if expected is None else pytest.approx(expected))


@given(st.integers(1, 400), st.data())
def test_the_interval_is_wilsons(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def book(market: str, bid: float, ask: float, fee: float = 10.0) -> TopOfBook:
    base, _, quote = market.partition("-")
    return TopOfBook(f"kraken:{market}", base, quote, bid, ask, fee)


def test_two_legs_are_chosen_where_the_direct_market_is_wider() -> None:
    """USD → ALT: direct at 2.10; over BTC at 50,010 and 0.00004002: 2.0014 and two fees."""
    found = routes(
        [
            book("ALT-USD", 1.90, 2.10),
            book("BTC-USD", 49_990.0, 50_010.0),
            book("ALT-BTC", 0.00003998, 0.00004002),
        ],
        "USD",
        "ALT",
    )
    assert [[leg.market for leg in route.legs] for route in found] == [
        ["kraken:BTC-USD", "kraken:ALT-BTC"],
        ["kraken:ALT-USD"],
    ]
    kept = 1 - 10 / 1e4
    assert found[0].rate == pytest.approx(kept**2 / (50_010 * 0.00004002))
    assert found[1].rate == pytest.approx(kept / 2.10)
    assert [leg.side for leg in found[0].legs] == ["buy", "buy"]
    assert found[1].cost_bps == pytest.approx(1e4 * (1 - kept * 2.0 / 2.10))


def test_the_way_back_sells() -> None:
    found = routes([book("ALT-USD", 1.90, 2.10, 0.0)], "ALT", "USD")
    assert [(leg.side, leg.price) for leg in found[0].legs] == [("sell", 1.90)]
    assert found[0].rate == pytest.approx(1.90)


def test_without_a_market_there_is_no_route() -> None:
    assert routes([book("ALT-USD", 1.9, 2.1)], "USD", "BTC") == []
