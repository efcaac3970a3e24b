"""The oracle's z and half-life against paper, plain loops and scipy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.oracle import rows_of
from tests.oracle.baseline import baseline_at, panes_of
from tests.oracle.wire import SECOND

BASE = 1_700_000_000  # a whole pane: a multiple of 10
MARKET = "kraken:BTC-USD"


def rows(
    quotes: list[tuple[float, float]],
    final: float,
    unseen: list[tuple[float, float, str]] | None = None,
) -> dict[int, dict[str, Any]]:
    """Return rows by second after BASE of (time, spread in bps) around 100; a 0 is locked."""
    table = pd.DataFrame(
        {
            "market": MARKET,
            "partition": 2,
            "time": [BASE * SECOND + round(time * SECOND) for time, _ in quotes],
            "bid": [100 - bps / 200 for _, bps in quotes],
            "ask": [100 + bps / 200 for _, bps in quotes],
            "bid_size": 1.0,
            "ask_size": 1.0,
            "crossed": False,
            "one_sided": False,
        }
    )
    hidden = [
        (MARKET, "quotes", (BASE + start) * SECOND, (BASE + end) * SECOND, reason)
        for start, end, reason in unseen or []
    ]
    intervals = pd.DataFrame(hidden, columns=["market", "kind", "start", "end", "reason"])
    end = round((BASE + final) * SECOND)
    found = rows_of(table, intervals, {("kraken", 2): end})
    return {round(pd.Timestamp(row["as_of"]).timestamp()) - BASE: row for row in found}


ALTERNATING = [(10.0 * pane, (1.0, 4.0)[pane % 2]) for pane in range(220)]
"""Spreads of 1 and 4 bps in turn, each for a pane: x is 0 and ln 4 in turn."""


def test_z_is_measured_against_the_panes_that_ended_15_s_before() -> None:
    """At 335, panes 0 to 31 have ended by 320: μ = ln 4 / 2, σ = (ln 4)/2·√(32/31).

    The 15 s before 335 hold 10 s of pane 32 (1 bps) and 5 s of pane 33 (4 bps): a mean of 2.
    """
    row = rows(ALTERNATING, 340)[335]
    assert row["z_n"] == 32
    sigma = math.log(4) / 2 * math.sqrt(32 / 31)
    assert row["z"] == pytest.approx((math.log(2) - math.log(4) / 2) / sigma, abs=1e-9)
    assert row["z"] == pytest.approx(0, abs=1e-9)
    assert row["baseline_bps"] == pytest.approx(2)  # e^(ln 4 / 2)
    assert row["baseline_sigma"] == pytest.approx(sigma)
    # The 15 s before 340 hold 5 s of pane 32 and 10 s of pane 33: a mean of 3.
    assert rows(ALTERNATING, 340)[340]["z"] == pytest.approx(
        (math.log(3) - math.log(4) / 2) / sigma
    )


def test_z_is_null_and_warming_until_thirty_panes_have_ended_15_s_ago() -> None:
    """The 30th ends at 300, so 315 is the first second with a z; the 30 pairs take one more."""
    found = rows(ALTERNATING, 400)
    assert (found[314]["z"], found[314]["z_n"], found[314]["reasons"]["z"]) == (None, 29, "warming")
    assert (
        found[314]["reasons"]["baseline_bps"]
        == found[314]["reasons"]["baseline_sigma"]
        == "warming"
    )
    assert (found[315]["z_n"], found[315]["half_life_n"]) == (30, 29)
    assert "z" not in found[315]["reasons"]
    assert found[324]["reasons"]["half_life_s"] == "warming"
    assert found[325]["half_life_n"] == 30


def test_the_baseline_has_at_most_180_panes_and_forgets_the_oldest() -> None:
    """At 1,815 the panes 0 to 179 have ended 15 s ago; at 1,825 pane 0 is no longer among them."""
    quotes = [(0.0, 9.0), *ALTERNATING[1:]]
    found = rows(quotes, 1_830)
    assert (found[1_815]["z_n"], found[1_815]["half_life_n"]) == (180, 179)
    ln4 = math.log(4)
    # Of 0 to 179: ln 9, 89 times 0 and 90 times ln 4. Without pane 0 and with 180: 90 of each.
    assert math.log(found[1_815]["baseline_bps"]) == pytest.approx((math.log(9) + 90 * ln4) / 180)
    assert math.log(found[1_825]["baseline_bps"]) == pytest.approx(ln4 / 2)


def test_spreads_that_alternate_do_not_revert() -> None:
    """φ is −1."""
    row = rows(ALTERNATING, 400)[400]
    assert row["half_life_s"] is None
    assert row["reasons"]["half_life_s"] == "not_mean_reverting"


def test_a_half_life_is_what_the_slope_says() -> None:
    """With x = ½ⁿ in pane n, φ is exactly ½: a half-life of 10 s."""
    quotes = [(10.0 * pane, math.exp(0.5**pane)) for pane in range(60)]
    row = rows(quotes, 400)[400]
    assert row["half_life_n"] == 37  # panes 0 to 37 have ended by 385
    assert row["half_life_s"] == pytest.approx(10)


def test_the_first_pane_begins_at_the_second_of_the_first_quote_or_after_it() -> None:
    """First quote at 10.4: pane 1 begins with its second. At 11.0: pane 2 is the first."""
    for first, panes in ((10.4, 2), (11.0, 1)):
        found = rows([(first, 2.0), (40.0, 3.0)], 50)
        assert found[45]["z_n"] == panes
        assert found[44]["z_n"] == panes - 1


def test_panes_without_good_time_or_without_spread_have_no_x() -> None:
    """Unseen [20, 40) and locked [50, 60): of the panes 0 to 7, 0, 1, 4, 6 and 7 have an x."""
    quotes = [(0.0, 2.0), (40.0, 2.0), (50.0, 0.0), (60.0, 3.0)]
    row = rows(quotes, 95, [(20, 40, "down")])[95]
    assert (row["z_n"], row["half_life_n"]) == (5, 2)  # 0-1 and 6-7


def test_a_steady_spread_is_quiet_however_it_is_cut() -> None:
    """1.1 bps all the time, told every 0.7 s; the sums of a pane differ in their last bits."""
    row = rows([(0.7 * n, 1.1) for n in range(600)], 400)[400]
    assert row["z_n"] == 38
    assert (row["z"], row["reasons"]["z"]) == (None, "quiet")
    assert (row["half_life_s"], row["reasons"]["half_life_s"]) == (None, "quiet")
    assert row["baseline_sigma"] == pytest.approx(0, abs=1e-9)
    assert row["baseline_bps"] == pytest.approx(1.1)


def test_a_locked_market_has_a_baseline_but_no_z() -> None:
    """Locked from 400 on: at 430 the mean of 15 s is 0, whose logarithm is nothing."""
    row = rows([*ALTERNATING[:40], (400.0, 0.0)], 430)[430]
    assert row["windows"]["15s"]["mean_bps"] == 0
    assert (row["z"], row["reasons"]["z"]) == (None, "thin")
    assert row["half_life_n"] >= 30


def test_half_an_hour_after_the_first_quote_too_few_panes_are_thin() -> None:
    """Seen [0, 100), then from 1,750 on: at 1,799 warming, at 1,800 thin, with 10 + … panes."""
    quotes = [(0.0, 2.0), (1_750.0, 2.0)]
    found = rows(quotes, 1_900, [(100, 1_750, "gap")])
    assert found[1_799]["z_n"] == 10 + 3
    assert found[1_799]["reasons"]["z"] == "warming"
    assert found[1_800]["reasons"]["z"] == "thin"
    assert found[1_800]["reasons"]["half_life_s"] == "thin"
    # The 15 s before 114 were seen for 1 s, those before 115 not at all: the reason is theirs.
    assert found[114]["reasons"]["z"] == "warming"
    assert found[115]["reasons"]["z"] == "gap"
    assert found[115]["reasons"]["half_life_s"] == "warming"


logarithms = st.one_of(st.none(), st.floats(-3, 3))


@settings(max_examples=40, deadline=None)
@given(values=st.lists(logarithms, min_size=1, max_size=400), number=st.integers(0, 50))
def test_every_second_has_the_baseline_of_a_plain_loop(
    values: list[float | None], number: int
) -> None:
    """Mean and deviation by numpy, the slope by scipy, over panes chosen one by one."""
    x = np.array([math.nan if value is None else value for value in values])
    seconds = np.arange(number * 10 + 1, (number + len(x)) * 10 + 15, 7)
    found = baseline_at(seconds, x, number)
    for place, t in enumerate(seconds.tolist()):
        panes = [k for k in range(len(x)) if (number + k + 1) * 10 <= t - 15][-180:]
        chosen = [x[k] for k in panes if not math.isnan(x[k])]
        pairs = [
            (x[k - 1], x[k]) for k in panes[1:] if not (math.isnan(x[k - 1]) or math.isnan(x[k]))
        ]
        assert (found.n[place], found.pairs[place]) == (len(chosen), len(pairs))
        if len(chosen) > 1:
            assert found.mean[place] == pytest.approx(np.mean(chosen), abs=1e-12)
            assert found.deviation[place] == pytest.approx(np.std(chosen, ddof=1), abs=1e-12)
        before, after = zip(*pairs, strict=True) if len(pairs) > 2 else ((), ())
        if len(before) and np.std(before) > 1e-6:
            assert found.slope[place] == pytest.approx(stats.linregress(before, after).slope)


def test_panes_are_aligned_to_ten_seconds_since_the_epoch() -> None:
    """From second 95, with 1 s of good time and 2 bps in each: panes 10 and 11 are whole."""
    good = np.full(30, SECOND)
    x, number = panes_of(2.0 * good, good, 95, 95)
    assert (number, len(x)) == (10, 2)
    assert x == pytest.approx(np.log([2, 2]))
