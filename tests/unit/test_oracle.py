"""The oracle's figures of quotes in 15 s, and its comparison, against what paper says.

All times are seconds after `BASE`, a whole second; the arithmetic stands beside each assertion.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from tests.oracle import compare, differences, effective_spreads, rows_of
from tests.oracle.wire import SECOND

BASE = 1_700_000_000
OPEN = None
MARKET = "kraken:BTC-USD"


def at(seconds: float) -> int:
    """Return nanoseconds since the epoch of `seconds` after BASE, exact to a microsecond."""
    return BASE * SECOND + round(seconds * 1e6) * 1000


def quotes_of(*quotes: tuple[float, float, float]) -> pd.DataFrame:
    """Return a table of (time, bid, ask); NaN stands for a missing side."""
    return pd.DataFrame(
        {
            "market": MARKET,
            "partition": 2,
            "time": [at(time) for time, _, _ in quotes],
            "bid": [bid for _, bid, _ in quotes],
            "ask": [ask for _, _, ask in quotes],
            "bid_size": 1.0,
            "ask_size": 1.0,
            "crossed": [bid > ask for _, bid, ask in quotes],
            "one_sided": [math.isnan(bid) or math.isnan(ask) for _, bid, ask in quotes],
        }
    )


def rows(
    quotes: list[tuple[float, float, float]],
    unseen: list[tuple[float, float | None, str]] | None = None,
    final: float = 60,
) -> dict[float, dict[str, Any]]:
    """Return the oracle's rows by second after BASE."""
    table = pd.DataFrame(
        [
            (MARKET, "quotes", at(start), 2**63 - 1 if end is None else at(end), reason)
            for start, end, reason in unseen or []
        ],
        columns=["market", "kind", "start", "end", "reason"],
    )
    found = rows_of(quotes_of(*quotes), table, {("kraken", 2): at(final)})
    return {
        pd.Timestamp(row["as_of"]).timestamp() - BASE: row | row["windows"]["15s"] for row in found
    }


def reasons_of(row: dict[str, Any]) -> dict[str, str]:
    """Return the reasons of what this file is about: five figures of the quote, seven of 15 s."""
    of_window = ("mean", "mean_bps", "tick_mean", "min", "max")
    mine = {"bid", "ask", "mid", "spread", "spread_bps", *(f"windows.15s.{x}" for x in of_window)}
    return {path: reason for path, reason in row["reasons"].items() if path in mine}


THREE = [(0.0, 99.0, 101.0), (4.0, 99.0, 100.0), (10.0, 100.0, 103.0)]


def test_a_full_window_weighs_every_quote_by_the_time_it_was_in_force() -> None:
    """Spreads 2, 1, 3 for 4, 6, 5 s of the 15 s before second 15."""
    row = rows(THREE)[15]
    assert row["mean"] == pytest.approx((4 * 2 + 6 * 1 + 5 * 3) / 15)  # 29/15
    bps = [1e4 * 2 / 100, 1e4 * 1 / 99.5, 1e4 * 3 / 101.5]
    assert row["mean_bps"] == pytest.approx((4 * bps[0] + 6 * bps[1] + 5 * bps[2]) / 15)
    assert row["tick_mean"] == pytest.approx((2 + 1 + 3) / 3)
    assert (row["min"], row["max"], row["n"], row["coverage"]) == (1, 3, 3, 1.0)
    assert (row["bid"], row["ask"], row["mid"], row["spread"]) == (100, 103, 101.5, 3)
    assert row["spread_bps"] == pytest.approx(bps[2])
    assert row["stale"] is False
    assert reasons_of(row) == {}
    assert row["as_of"] == "2023-11-14T22:13:35Z"


def test_before_the_first_quote_nothing_is_covered() -> None:
    """At second 12 the window holds 12 s of quotes: 4 s of 2, 6 s of 1, 2 s of 3."""
    row = rows(THREE)[12]
    assert row["coverage"] == pytest.approx(12 / 15)
    assert row["mean"] == pytest.approx((8 + 6 + 6) / 12)


def test_the_quote_carried_in_counts_in_the_mean_and_extremes_but_not_in_n() -> None:
    """At second 20, W = [5, 20): 5 s of the quote of second 4 and 10 s of that of second 10."""
    row = rows(THREE)[20]
    assert row["mean"] == pytest.approx((5 * 1 + 10 * 3) / 15)
    assert (row["n"], row["tick_mean"], row["min"], row["max"]) == (1, 3, 1, 3)


def test_windows_are_half_open_at_both_ends() -> None:
    """A quote on the end is not in; one on the start is, and leaves no time to the carried one."""
    found = rows(THREE)
    assert found[10]["n"] == 2
    assert found[10]["ask"] == 100
    assert (found[19]["n"], found[19]["min"], found[19]["max"]) == (2, 1, 3)  # W = [4, 19)
    assert found[25]["n"] == 1  # W = [10, 25): the quote of second 10 is on the border
    assert found[25]["min"] == 3


def test_without_a_quote_in_the_window_tick_mean_is_quiet() -> None:
    """At second 26 the quote of second 10 is carried through the whole window."""
    row = rows(THREE)[26]
    assert (row["n"], row["coverage"], row["mean"], row["min"], row["max"]) == (0, 1.0, 3, 3, 3)
    assert row["tick_mean"] is None
    assert reasons_of(row) == {"windows.15s.tick_mean": "quiet"}


def test_of_equal_times_the_later_in_the_log_is_in_force_and_all_are_counted() -> None:
    """Two quotes at second 1: the first lasts no time but is one of n and of the extremes."""
    row = rows([(0.0, 99, 101), (1.0, 90, 110), (1.0, 99, 100)])[3]
    assert row["ask"] == 100
    assert (row["n"], row["min"], row["max"]) == (3, 1, 20)
    assert row["mean"] == pytest.approx((1 * 2 + 2 * 1) / 3)
    assert row["tick_mean"] == pytest.approx((2 + 20 + 1) / 3)


def test_quotes_count_in_event_time_order_whatever_the_log_order() -> None:
    """A quote of second 1 that comes after that of second 2 lasts from 1 to 2."""
    row = rows([(0.0, 99, 101), (2.0, 99, 100), (1.0, 99, 104)])[4]
    assert row["mean"] == pytest.approx((1 * 2 + 1 * 5 + 2 * 1) / 4)
    assert row["ask"] == 100


def test_time_from_a_crossed_quote_to_the_next_good_one_is_in_no_window() -> None:
    """Crossed from 2 to 3: coverage 3 of 4 s, n is 2, and second 3 shows bid and ask alone."""
    found = rows([(0.0, 99, 101), (2.0, 101, 100), (3.0, 99, 100)])
    assert (found[3]["bid"], found[3]["ask"], found[3]["mid"]) == (101, 100, None)
    assert reasons_of(found[3]) == dict.fromkeys(("mid", "spread", "spread_bps"), "crossed")
    assert found[3]["stale"] is False
    assert found[4]["coverage"] == pytest.approx(3 / 15)
    assert found[4]["n"] == 2
    assert found[4]["mean"] == pytest.approx((2 * 2 + 1 * 1) / 3)


def test_a_locked_quote_is_good() -> None:
    """Spread 0 for half of the time."""
    row = rows([(0.0, 99, 101), (1.0, 100, 100)])[2]
    assert (row["spread"], row["spread_bps"], row["mean"], row["min"], row["n"]) == (0, 0, 1, 0, 2)


def test_a_one_sided_quote_nulls_all_five_fields_as_thin() -> None:
    """Its time is not good, and it is not counted."""
    row = rows([(0.0, 99, 101), (1.0, math.nan, 100)])[2]
    fields = ("bid", "ask", "mid", "spread", "spread_bps")
    assert all(row[field] is None for field in fields)
    assert reasons_of(row) == dict.fromkeys(fields, "thin")
    assert (row["n"], row["coverage"], row["stale"]) == (1, pytest.approx(1 / 15), False)


def test_stale_time_is_not_covered_and_the_carried_quote_counts_again_after_it() -> None:
    """Quote at 0, stale [2, 8): at 5 stale, at 9 covered for 2 + 1 s."""
    found = rows([(0.0, 99, 101)], [(2, 8, "stale")])
    assert found[2]["stale"] is False  # just before 2 is seen
    assert found[5]["stale"] is True
    assert found[5]["reasons"]["bid"] == "stale"
    assert found[5]["mean"] == 2  # of the 2 s that were seen
    assert found[8]["stale"] is True  # just before 8 still lies in [2, 8)
    assert found[9]["coverage"] == pytest.approx(3 / 15)
    assert found[9]["bid"] == 99


def test_a_quote_in_a_stale_interval_is_not_counted_but_may_be_in_force_after_it() -> None:
    """The quote of second 3 lies in [2, 8); it is in force from 8 on, so it is an extreme."""
    row = rows([(0.0, 99, 101), (3.0, 99, 104)], [(2, 8, "stale")])[10]
    assert row["n"] == 1
    assert row["tick_mean"] == 2
    assert row["mean"] == pytest.approx((2 * 2 + 2 * 5) / 4)
    assert (row["min"], row["max"], row["ask"]) == (2, 5, 104)


def test_a_quote_at_the_very_start_of_an_unseen_interval_is_unseen() -> None:
    """Intervals are half-open: second 2 lies in [2, …)."""
    row = rows([(0.0, 99, 101), (2.0, 99, 100)], [(2, OPEN, "down")])[3]
    assert (row["n"], row["bid"], row["reasons"]["bid"]) == (1, None, "down")


def test_the_row_with_nothing_covered_is_the_last_until_the_market_is_seen_again() -> None:
    """Seen [0, 2), unseen until 40: rows 1 to 17 (2 s leave W at 17), then 41 on."""
    found = rows([(0.0, 99, 101), (40.0, 99, 100)], [(2, 40, "gap")], final=43)
    assert list(found) == [*range(1, 18), 41, 42, 43]
    last = found[17]
    names = ("mean", "mean_bps", "tick_mean", "min", "max")
    assert (last["coverage"], last["n"]) == (0, 0)
    assert all(last[name] is None for name in names)
    assert all(last["reasons"][f"windows.15s.{name}"] == "gap" for name in names)
    assert found[16]["coverage"] == pytest.approx(1 / 15)


def test_a_first_quote_that_is_crossed_gives_one_row() -> None:
    """Its row has no coverage; the next one comes when a good quote does."""
    found = rows([(0.5, 101, 100), (3.5, 99, 100)], final=5)
    assert list(found) == [1, 4, 5]
    assert found[1]["reasons"]["windows.15s.mean"] == "crossed"
    assert (found[1]["bid"], found[1]["coverage"]) == (101, 0)


def test_a_first_quote_on_a_whole_second_belongs_to_the_second_that_it_begins() -> None:
    """`[t − 1 s, t)` holds it for t = 4, not for t = 3."""
    assert list(rows([(3.0, 99, 101)], final=5)) == [4, 5]


def test_rows_end_where_the_clock_ends() -> None:
    """No row is written above the last position of the clock."""
    assert list(rows([(0.0, 99, 101)], final=2)) == [1, 2]


def test_after_a_gap_that_ends_without_a_quote_the_market_stays_dead_until_one_comes() -> None:
    """A hand-over's interval ends at 4, the next quote comes at 6: unseen until 6."""
    found = rows([(0.0, 99, 101), (6.0, 99, 100)], [(2, 4, "down")])
    assert (found[5]["stale"], found[5]["reasons"]["bid"]) == (True, "down")
    assert found[7]["coverage"] == pytest.approx((2 + 1) / 15)


def test_of_several_intervals_the_one_that_began_last_gives_the_reason() -> None:
    """With equal starts it is the later in the log."""
    assert rows([(0.0, 9, 10)], [(2, 9, "down"), (1, 9, "gap")])[3]["reasons"]["bid"] == "down"
    assert rows([(0.0, 9, 10)], [(2, 9, "down"), (2, 9, "gap")])[3]["reasons"]["bid"] == "gap"


def test_an_effective_spread_uses_the_mid_strictly_before_the_trade() -> None:
    """Mid 100 before second 2: buying at 101 pays 2·1/100, selling at 101 gains as much."""
    quotes = quotes_of((0.0, 99, 101), (2.0, 199, 201))
    trades = pd.DataFrame(
        {
            "market": MARKET,
            "time": [at(0), at(1), at(2), at(3), at(3)],
            "late": [False, False, False, False, True],
            "price": [101.0, 101.0, 101.0, 202.0, 1.0],
            "side": [1, 1, -1, 1, 1],
        }
    )
    found = effective_spreads(quotes, trades)["effective_bps"].tolist()
    assert math.isnan(found[0])
    assert found[1:] == pytest.approx([200, -200, 1e4 * 2 * 2 / 200])
    unseen = pd.DataFrame(
        [(MARKET, "quotes", at(0.5), at(1.5), "stale")],
        columns=["market", "kind", "start", "end", "reason"],
    )
    assert effective_spreads(quotes, trades, unseen)["effective_bps"].isna().sum() == 2


def test_rows_that_agree_have_no_differences_however_the_time_is_written() -> None:
    """Floats may differ by 1e-9, relative or absolute."""
    mine = list(rows(THREE).values())
    theirs = [
        row | {"as_of": row["as_of"].replace("Z", ".000+00:00"), "bid": row["bid"] * (1 + 5e-10)}
        for row in mine
    ]
    assert differences(theirs, mine) == []
    assert compare(theirs, mine).compared == len(mine)
    assert 0 < compare(theirs, mine).largest["bid"] < 1e-9


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bid": 100.001}, "bid: published 100.001, oracle 100.0"),
        ({"bid": None}, "bid: published None, oracle 100.0"),
        ({"stale": True}, "stale: published True, oracle False"),
        ({"stale": 0}, "stale: published 0, oracle False"),
        ({"reasons": {"bid": "gap"}}, "reason of bid: published 'gap', oracle missing"),
        ({"market": "kraken:ETH-USD"}, "row missing"),
        ({"windows": {"15s": {}}}, "windows.15s.n: published missing, oracle 3"),
    ],
)
def test_every_difference_is_told(change: dict[str, Any], text: str) -> None:
    """Values, nulls, types, reasons, and rows that are missing or not expected."""
    row = rows(THREE)[15]
    found = differences([row | change], [row])
    assert any(text in line for line in found)


def test_a_row_published_twice_must_be_the_same() -> None:
    """Repeats are allowed only when they are identical."""
    row = rows(THREE)[15]
    assert differences([row, dict(row)], [row]) == []
    assert any("twice" in line for line in differences([row, row | {"n": 4}], [row]))
