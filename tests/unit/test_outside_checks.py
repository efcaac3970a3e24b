"""The checks of the whole system notice what they are there for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import by_hand
from tests.e2e.answers import bad_shares, bad_times, faults, parsed, unreasoned
from tests.e2e.follower import Follower, Key, breaks

GOOD: dict[str, Any] = {
    "as_of": "2026-11-21T10:00:15Z",
    "first_trade": "2026-11-21T10:00:14.000001Z",
    "mid": None,
    "n": 0,
    "coverage": 0.0,
    "windows": {"15s": {"mean": None, "n": 3}},
    "coins": ["BTC", "ETH"],
    "matrix": [[1.0, None], [None, 1.0]],
    "low": [[1.0, None], [None, 1.0]],
    "sigma": [0.5, None],
    "quote": {"bid": None, "reasons": {"bid": "gap"}},
    "next": None,
    "reasons": {
        "mid": "stale",
        "windows.15s.mean": "stale",
        "matrix.BTC.ETH": "thin",
        "matrix.ETH.BTC": "thin",
        "sigma.ETH": "thin",
        "as_of": "line_delayed",
    },
}


def test_an_answer_as_promised_has_no_faults() -> None:
    assert faults({"data": [GOOD]}) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bid": None}, "bid: null without a reason"),
        ({"windows": {"15s": {"mean": None, "max": None}}}, "windows.15s.max: null without"),
        ({"matrix": [[None, None], [None, 1.0]]}, "matrix.BTC.BTC: null without a reason"),
        ({"mid": 1.0}, "reasons.mid: stale, but it is not null"),
        ({"reasons": GOOD["reasons"] | {"mid": "lunch"}}, "reasons.mid: lunch is in no list"),
        ({"quote": {"bid": None, "reasons": {}}}, "quote.bid: null without a reason"),
    ],
)
def test_nulls_and_reasons_that_do_not_fit_are_told(change: dict[str, Any], told: str) -> None:
    assert [line for line in unreasoned(GOOD | change) if line.startswith(told)]


@pytest.mark.parametrize(
    "text",
    ["2026-11-21T10:00:15+00:00", "2026-11-21T10:00:15.5Z", "2026-11-21T10:00:15.000000Z"],
)
def test_times_that_are_written_otherwise_are_told(text: str) -> None:
    assert bad_times({"data": [{"start": text}]}) == [f"data.0.start: {text} is no time"]


def test_shares_and_counts_out_of_range_are_told() -> None:
    assert bad_shares({"coverage": 1.1, "n": 1}) == ["coverage: 1.1 is no share"]
    assert bad_shares({"coverage": 1.0, "z_n": -1}) == ["z_n: -1 is no count"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know_are_refused(number: str) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        parsed(f'{{"mid": {number}}}')


class Made(Follower):
    """A client that was sent (seq, prev_seq, is it a snapshot) of one key."""

    def __init__(self, *sent: tuple[int, int | None, bool]) -> None:
        self._sent = sent

    def values(self) -> Iterator[tuple[Key, dict[str, Any], bool]]:
        """Yield them."""
        for seq, prev_seq, is_snapshot in self._sent:
            yield ("spreads", "a"), {"seq": seq, "prev_seq": prev_seq}, is_snapshot


def test_an_unbroken_chain_over_a_resume_has_no_breaks() -> None:
    first = Made((5, 4, True), (6, 5, False))
    assert breaks([first, Made((7, 6, False), (9, 7, False))]) == []


@pytest.mark.parametrize(
    "second",
    [
        Made((6, 5, False)),
        Made((8, 7, False)),
        Made((7, 6, False), (8, 7, True)),
    ],
)
def test_what_is_repeated_lost_or_begun_anew_breaks_the_chain(second: Made) -> None:
    assert len(breaks([Made((5, 4, True), (6, 5, False)), second])) == 1


def test_the_limit_price_by_hand_is_on_the_grid_and_passive() -> None:
    """Half the usual spread from the mid, down to the tick, inside of what is quoted."""
    row = {"bid": 99.94, "ask": 100.06, "mid": 100.0, "baseline_bps": 6.0}
    assert by_hand.limit_price("buy", 0.01, row) == 99.97
    assert by_hand.limit_price("sell", 0.01, row) == 100.03
    assert by_hand.limit_price("buy", 0.01, row | {"baseline_bps": 60.0}) == 99.94
    assert by_hand.limit_price("buy", 0.01, row | {"baseline_bps": 0.0, "ask": 99.99}) == 99.98


def test_routes_by_hand_are_of_one_leg_or_two_over_a_third_currency() -> None:
    rows = {
        "k:SOL-USD": {"bid": 9.0, "ask": 10.0},
        "k:BTC-USD": {"bid": 100.0, "ask": 100.0},
        "k:SOL-BTC": {"bid": 0.1, "ask": 0.1},
        "k:ETH-EUR": {"bid": 1.0, "ask": 1.0},
    }
    assert by_hand.routes("USD", "SOL", rows, {"k": 100.0}) == pytest.approx(
        {"k:SOL-USD": 0.099, "k:BTC-USD+k:SOL-BTC": 0.09801}
    )


def test_before_the_first_value_one_reason_stands_for_the_whole_message() -> None:
    """With a value, or without a reason, what is null is told."""
    empty = {"seq": None, "prev_seq": None, "ts_event": None, "data": None}
    assert unreasoned({**empty, "reasons": {"data": "warming"}}) == []
    assert unreasoned({**empty, "reasons": {}}) == ["data: null without a reason"]
    assert unreasoned({**empty, "data": {"mid": 1.0}, "reasons": {}}) == [
        "seq: null without a reason",
        "prev_seq: null without a reason",
        "ts_event: null without a reason",
    ]
