"""What the connections of an exchange share: the skew, the clamp and the ids seen."""

from __future__ import annotations

import pytest

from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.skew import Skew
from tests.unit.ingestion.frames import SECOND, START


def test_skew_is_zero_before_the_first_own_time() -> None:
    assert Skew().at(START) == 0


def test_skew_is_the_least_lag_with_the_frame_at_hand_included() -> None:
    skew = Skew()
    skew.observe(START, START - 70)
    assert skew.at(START) == 70
    skew.observe(START + 1, START + 1 - 90)
    assert skew.at(START + 1) == 70
    skew.observe(START + 2, START + 2 + 40)
    assert skew.at(START + 2) == -40


def test_a_sample_counts_for_less_than_300_seconds() -> None:
    skew = Skew()
    skew.observe(START, START - 10)
    skew.observe(START + 100 * SECOND, START + 100 * SECOND - 30)
    assert skew.at(START + 300 * SECOND - 1) == 10
    assert skew.at(START + 300 * SECOND) == 30


def test_the_newest_sample_holds_when_none_lies_in_the_window() -> None:
    skew = Skew()
    skew.observe(START, START - 10)
    skew.observe(START + SECOND, START + SECOND - 30)
    assert skew.at(START + 5_000 * SECOND) == 30


@pytest.mark.parametrize(
    ("ahead", "expected", "clamped"),
    [(2 * SECOND, 2 * SECOND, 0), (2 * SECOND + 1, 2 * SECOND, 1), (-SECOND, -SECOND, 0)],
)
def test_times_more_than_two_seconds_ahead_are_clamped_flagged_and_counted(
    ahead: int, expected: int, clamped: int
) -> None:
    memory = ExchangeMemory()
    assert memory.place(START, START + ahead) == (START + expected, 16 * clamped)
    assert memory.counts["clamped_time"] == clamped


def test_a_clamped_time_does_not_enter_the_skew() -> None:
    memory = ExchangeMemory()
    memory.observe(START, START - 5)
    memory.observe(START + 1, START + 3 * SECOND)
    assert memory.skew.at(START + 1) == 5
    memory.observe(START + 2, START + 2 + 2 * SECOND)
    assert memory.skew.at(START + 2) == -2 * SECOND


def test_ids_that_do_not_rise_are_counted_as_repeats() -> None:
    memory = ExchangeMemory()
    admitted = [memory.admit_trade("x:A-B", trade_id) for trade_id in (5, 5, 4, 6)]
    assert admitted == [True, False, False, True]
    assert [memory.admit_quote("x:A-B", update) for update in (0, 0, 1)] == [True, False, True]
    assert memory.counts == {"repeated_trade": 2, "repeated_quote": 1}
    assert memory.admit_trade("x:C-B", 1), "another market has ids of its own"


def test_a_snapshot_of_past_trades_never_sets_the_last_id_back() -> None:
    memory = ExchangeMemory()
    memory.skip_trades("x:A-B", 9)
    memory.skip_trades("x:A-B", 3)
    assert memory.last_trade_id("x:A-B") == 9
