"""Waits between tries."""

from __future__ import annotations

from agents.runtime.backoff import Backoff


def test_waits_double_up_to_thirty_seconds_and_a_full_jitter_scales_them() -> None:
    """With the jitter at one half: half of 0.5, 1, 2, … and never more than half of 30."""
    backoff = Backoff(0.0, lambda: 0.5)
    assert [backoff.next_wait() for _ in range(8)] == [0.25, 0.5, 1, 2, 4, 8, 15, 15]


def test_a_reset_begins_again() -> None:
    """Data flow, so the next failure is the first."""
    backoff = Backoff(0.0, lambda: 1.0)
    assert [backoff.next_wait(), backoff.next_wait()] == [0.5, 1.0]
    backoff.reset()
    assert backoff.next_wait() == 0.5


def test_a_floor_holds_after_the_third_try_alone() -> None:
    """Kraken bans who comes back too often."""
    backoff = Backoff(5.0, lambda: 0.0)
    assert [backoff.next_wait() for _ in range(5)] == [0, 0, 0, 5, 5]
