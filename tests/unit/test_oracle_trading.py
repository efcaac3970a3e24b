"""The oracle's figures of sizes and trades against figures worked out on paper.

All times are seconds after `BASE`, a whole second; the arithmetic stands beside each assertion.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from tests.oracle import closes_of, compare_closes, differences, rows_of
from tests.oracle.rows import Close, figures_by_market
from tests.oracle.wire import SECOND

BASE = 1_700_000_000
MARKET = "kraken:BTC-USD"
Sided = tuple[float, float, float, float, float]
"""Time, bid, ask, bid size, ask size."""
Traded = tuple[float, float, int]
"""Time, price, side of the taker."""
Hidden = tuple[str, float, float, str]
"""Kind, start, end, reason."""


def at(seconds: float) -> int:
    """Return nanoseconds since the epoch of `seconds` after BASE, exact to a microsecond."""
    return BASE * SECOND + round(seconds * 1e6) * 1000


def tables(
    quotes: list[Sided], trades: list[Traded], unseen: list[Hidden], late: frozenset[float]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return quotes, unseen intervals and trades as the oracle takes them."""
    table = pd.DataFrame(quotes, columns=["time", "bid", "ask", "bid_size", "ask_size"])
    table = table.assign(
        market=MARKET,
        partition=2,
        time=[at(time) for time in table["time"]],
        crossed=table["bid"] > table["ask"],
        one_sided=table["bid"].isna() | table["ask"].isna(),
    )
    hidden = [(MARKET, kind, at(start), at(end), reason) for kind, start, end, reason in unseen]
    intervals = pd.DataFrame(hidden, columns=["market", "kind", "start", "end", "reason"])
    traded = [(MARKET, at(time), time in late, price, side) for time, price, side in trades]
    columns = ["market", "time", "late", "price", "side"]
    return table, intervals, pd.DataFrame(traded, columns=columns)


def rows(
    quotes: list[Sided],
    trades: list[Traded] | None = None,
    unseen: list[Hidden] | None = None,
    final: float = 100,
    late: frozenset[float] = frozenset(),
) -> dict[int, dict[str, Any]]:
    """Return the oracle's rows by second after BASE."""
    table, hidden, traded = tables(quotes, trades or [], unseen or [], late)
    found = rows_of(table, hidden, {("kraken", 2): at(final)}, traded)
    return {round(pd.Timestamp(row["as_of"]).timestamp()) - BASE: row for row in found}


STEADY: list[Sided] = [(0.0, 99.0, 101.0, 3.0, 1.0), (9.0, 99.0, 100.0, 1.0, 1.0)]


def test_imbalance_and_depth_are_weighted_by_good_time() -> None:
    """9 s of (3 − 1)/4 and 99·3 + 101·1 = 398, then 6 s of 0 and 99 + 100 = 199."""
    row = rows(STEADY)[15]
    window = row["windows"]["15s"]
    assert window["imbalance"] == pytest.approx(9 * 0.5 / 15)
    assert window["depth"] == pytest.approx((9 * 398 + 6 * 199) / 15)
    assert (row["bid_size"], row["ask_size"], row["imbalance"]) == (1, 1, 0)
    assert rows(STEADY)[9]["imbalance"] == 0.5  # a quote on the second is not in force before it


def test_crossed_time_is_in_no_mean_of_sizes_and_a_missing_side_has_no_size() -> None:
    """Crossed from 4 to 6, one-sided from 6: only the first 4 s count, with (3 − 1)/4."""
    found = rows(
        [STEADY[0], (4.0, 101.0, 100.0, 9.0, 1.0), (6.0, math.nan, 100.0, math.nan, 1.0)], final=8
    )
    assert found[8]["windows"]["15s"]["imbalance"] == 0.5
    assert (found[5]["bid_size"], found[5]["imbalance"]) == (9, None)
    assert found[5]["reasons"]["imbalance"] == "crossed"
    assert (found[8]["bid_size"], found[8]["ask_size"]) == (None, None)
    names = ("bid_size", "ask_size", "imbalance")
    assert [found[8]["reasons"][name] for name in names] == ["thin"] * 3


def test_sizes_of_nothing_on_both_sides_are_thin() -> None:
    """No feed says so today; section 7 says what would be of it."""
    row = rows([(0.0, 99.0, 101.0, 0.0, 0.0)])[15]
    assert (row["imbalance"], row["windows"]["15s"]["imbalance"]) == (None, None)
    assert row["reasons"]["imbalance"] == row["reasons"]["windows.1m.imbalance"] == "thin"
    assert row["windows"]["15s"]["depth"] == 0


def test_the_longer_windows_follow_the_same_rules_each_over_its_own_seconds() -> None:
    """At second 65 there are 65 of the 300 s. The spread is 2 for 9 s, then 1."""
    windows = rows(STEADY)[65]["windows"]
    assert [windows[name]["mean"] for name in windows] == pytest.approx(
        [1, (4 * 2 + 56) / 60, 74 / 65]
    )
    assert [windows[name]["coverage"] for name in windows] == pytest.approx([1, 1, 65 / 300])
    assert [windows[name]["n"] for name in windows] == [0, 1, 2]
    assert [windows[name]["max"] for name in windows] == [1, 2, 2]
    assert windows["15s"]["tick_mean"] is None
    assert windows["1m"]["tick_mean"] == 1  # the quote of second 9 alone
    assert windows["5m"]["tick_mean"] == 1.5


def test_a_row_is_there_for_15_s_only_whatever_the_longer_windows_hold() -> None:
    """Seen [0, 2), then gone: the last row is that of 17, whose minute still has 2 s."""
    found = rows(STEADY[:1], unseen=[("quotes", 2, 90, "gap")])
    assert list(found) == list(range(1, 18))
    assert found[17]["windows"]["15s"]["mean"] is None
    assert found[17]["windows"]["1m"]["coverage"] == pytest.approx(2 / 60)
    assert found[17]["windows"]["1m"]["mean"] == 2
    assert "windows.1m.mean" not in found[17]["reasons"]
    assert found[17]["windows"]["1m"]["tick_mean"] == 2


TRADES: list[Traded] = [(2.0, 101.0, 1), (9.0, 99.0, -1), (9.5, 100.0, 1)]


def test_effective_is_against_the_mid_strictly_before_the_trade() -> None:
    """Mid 100 for the trades of 2 and 9 (the quote of 9 is not before it), 99.5 for that of 9.5.

    2·10⁴·1·(101 − 100)/100 = 200; 2·10⁴·(−1)·(99 − 100)/100 = 200; 2·10⁴·(100 − 99.5)/99.5.
    """
    found = rows(STEADY, TRADES)
    third = 2e4 * 0.5 / 99.5
    assert found[10]["effective_bps"] == pytest.approx((200 + 200 + third) / 3)
    assert found[10]["trades_n"] == 3
    assert found[9]["trades_n"] == 1  # [−6, 9) does not hold the trade of 9
    assert found[17]["trades_n"] == 3  # [2, 17) does hold that of 2
    assert found[18]["effective_bps"] == pytest.approx((200 + third) / 2)
    assert found[25]["effective_bps"] is None
    assert found[25]["reasons"]["effective_bps"] == "no_trades"


def test_realised_and_impact_wait_until_the_later_mid_is_known() -> None:
    """The trade of 2 has m₅ at 7 (100), those of 9 and 9.5 at 14 and 14.5 (99.5).

    Of 9: realised 2·10⁴·(−1)(99 − 99.5)/100 = 100, impact 2·10⁴·(−1)(99.5 − 100)/100 = 100.
    Of 9.5: all of it realised, no impact.
    """
    found = rows(STEADY, TRADES)
    assert found[7]["realised_5s_n"] == 0  # [−13, 2)
    assert (found[8]["realised_5s_n"], found[8]["realised_5s_bps"]) == (1, pytest.approx(200))
    third = 2e4 * 0.5 / 99.5
    assert found[15]["realised_5s_bps"] == pytest.approx((200 + 100 + third) / 3)
    assert found[15]["impact_5s_bps"] == pytest.approx((0 + 100 + 0) / 3)
    assert found[23]["realised_5s_n"] == 2  # [3, 18)
    assert (found[63]["realised_60s_n"], found[70]["realised_60s_n"]) == (1, 3)
    # m₆₀ is 99.5 for all: of the trade of 2, realised 2·10⁴(101 − 99.5)/100, impact −100.
    assert found[63]["realised_60s_bps"] == pytest.approx(300)
    assert found[63]["impact_60s_bps"] == pytest.approx(-100)


def test_a_quote_at_the_very_later_moment_gives_the_later_mid() -> None:
    """Trade at 4, quote at 9 = 4 + 5 s: m₅ is 99.5, so impact is 2·10⁴(99.5 − 100)/100."""
    assert rows(STEADY, [(4.0, 101.0, 1)])[10]["impact_5s_bps"] == pytest.approx(-100)


def test_a_mid_is_not_defined_where_its_moment_is_unseen_dead_or_crossed() -> None:
    """Unseen [5, 8), dead until the quote of 9: no m for a trade of 8.5, no m₅ for one of 3."""
    found = rows(
        STEADY, [(3.0, 101.0, 1), (5.0, 101.0, 1), (8.5, 101.0, 1)], [("quotes", 5, 8, "gap")]
    )
    assert found[10]["trades_n"] == 2  # just before 5 is seen, just before 8.5 is dead
    assert found[16]["realised_5s_n"] == 1  # of 5 at 10; of 3 at 8 is dead
    crossed = rows([STEADY[0], (4.0, 101.0, 100.0, 1.0, 1.0)], [(4.0, 101.0, 1), (4.5, 101.0, 1)])
    assert crossed[5]["trades_n"] == 1
    assert crossed[10]["realised_5s_bps"] is None


def test_late_trades_and_trades_before_the_first_quote_have_no_effective_spread() -> None:
    """The late one is in nothing; the early one is a trade of the window all the same."""
    quotes: list[Sided] = [(3.0, 99.0, 101.0, 1.0, 1.0)]
    row = rows(quotes, [(1.0, 95.0, 1), (5.0, 101.0, 1), (6.0, 200.0, 1)], late=frozenset({6.0}))[7]
    window = row["windows"]["15s"]
    assert (window["trades_n"], window["trade_low"], window["trade_high"]) == (2, 95, 101)
    assert (row["trades_n"], row["effective_bps"]) == (1, pytest.approx(200))


def test_what_is_seen_of_the_trades_is_their_coverage_and_their_reason() -> None:
    """Trades unseen [4, 6.5): at 5 the reason is theirs; of W there are 5 − 1 s, later 15 − 2.5."""
    found = rows(STEADY, unseen=[("trades", 4, 6.5, "down")])
    assert found[5]["trades_coverage"] == pytest.approx(4 / 15)
    assert found[15]["trades_coverage"] == pytest.approx(12.5 / 15)
    assert found[22]["trades_coverage"] == 1
    names = ("effective_bps", "impact_60s_bps", "windows.5m.trade_low")
    assert [found[5]["reasons"][name] for name in names] == ["down"] * 3
    assert [found[7]["reasons"][name] for name in names] == ["no_trades"] * 3
    assert found[5]["stale"] is False  # the quotes are seen


def test_closes_hold_the_mid_and_the_quotes_of_every_second_with_a_row() -> None:
    """Two quotes in second 1, none in the next; the third crosses, so it is none and has no mid."""
    quotes: list[Sided] = [
        (0.5, 99.0, 101.0, 1.0, 1.0),
        (0.7, 99.0, 100.0, 1.0, 1.0),
        (2.5, 101.0, 100.0, 1.0, 1.0),
    ]
    table, hidden, traded = tables(quotes, [], [], frozenset())
    final = {("kraken", 2): at(3)}
    found = closes_of(figures_by_market(table, hidden, final, traded), final)
    keys = [("kraken", 2, f"2023-11-14T22:13:2{second}Z") for second in (1, 2, 3)]
    assert found == {
        keys[0]: {MARKET: (99.5, 2)},
        keys[1]: {MARKET: (99.5, 0)},
        keys[2]: {MARKET: (None, 0)},
    }
    same = list(found.items())
    nothing = ("kraken", 2, "2023-11-14T22:13:24Z")
    assert compare_closes(same, found) == []
    cases: tuple[tuple[list[tuple[tuple[str, int, str], Close]], str], ...] = (
        ([*same, (nothing, {})], "not expected"),
        ([*same[:2], (keys[2], {"kraken:BTC-EUR": (1.0, 1)})], "oracle missing"),
        (same[1:], "record missing"),
        ([*same, (keys[0], {MARKET: (99.5, 1)})], "published twice"),
        ([(keys[0], {MARKET: (99.5, 1)}), *same[1:]], "published (99.5, 1), oracle (99.5, 2)"),
        ([*same[:2], (keys[2], {MARKET: (100.5, 0)})], "oracle (None, 0)"),
        ([*same[:2], (keys[2], {})], "published missing"),
    )
    for wrong, text in cases:
        assert any(text in line for line in compare_closes(wrong, found))


def test_seconds_without_a_row_have_empty_closes_for_half_an_hour() -> None:
    """Seen [1, 2) and from 3,000 on: rows to 17, empty to 17 + 31 · 60 = 1,877, then from 3,001."""
    quotes: list[Sided] = [(1.0, 99.0, 101.0, 1.0, 1.0), (3_000.0, 99.0, 101.0, 1.0, 1.0)]
    table, hidden, _ = tables(quotes, [], [("quotes", 2, 3_000, "down")], frozenset())
    final = {("kraken", 2): at(3_002)}
    found = closes_of(figures_by_market(table, hidden, final), final)
    seconds = [round(pd.Timestamp(as_of).timestamp()) - BASE for _, _, as_of in found]
    assert seconds == [*range(2, 1_878), 3_001, 3_002]
    assert [place for place, close in zip(seconds, found.values(), strict=True) if close] == [
        *range(2, 18),
        3_001,
        3_002,
    ]


def test_a_field_that_is_not_published_is_a_difference_and_small_prices_are_compared() -> None:
    """1e-9 of 3e-8 is not 1e-9: a price of SHIB that is wrong by a thousandth is told."""
    row = rows(STEADY)[15]
    for path in ("bid_size", "z_n", "half_life_s", "realised_60s_bps", "trades_coverage"):
        less = {name: value for name, value in row.items() if name != path}
        assert any(f" {path}: published missing" in line for line in differences([less], [row]))
    for label in ("15s", "1m", "5m"):
        less = row | {"windows": {n: w for n, w in row["windows"].items() if n != label}}
        missing = [line for line in differences([less], [row]) if "published missing" in line]
        assert len(missing) == len(row["windows"][label])
    small = row | {"spread": 3.000e-8}
    assert len(differences([row | {"spread": 3.003e-8}], [small])) == 1
    assert differences([row | {"spread": 3.000000001e-8}], [small]) == []
    assert differences([row | {"imbalance": 1e-10}], [row | {"imbalance": 0.0}]) == []
