"""Logs: one form for ours and for those of libraries, and a limit to what repeats itself."""

from __future__ import annotations

import logging

from agents.runtime.logs import RepeatLimit


def _record(line: int, at: float, text: object = "broker is away: %s") -> logging.LogRecord:
    record = logging.LogRecord("aiokafka", logging.ERROR, "/conn.py", line, text, (), None)
    record.created = at
    return record


def test_a_line_that_repeats_itself_is_written_five_times_in_ten_seconds() -> None:
    """Then it is silent until the ten seconds are over, and tells how often it was left out."""
    limit = RepeatLimit()
    written = [limit.filter(_record(7, 100.0 + i / 1000, "away")) for i in range(1000)]
    assert written == [True] * 5 + [False] * 995
    later = _record(7, 110.0, "away")
    assert limit.filter(later)
    assert later.getMessage() == "away (and 995 times more before)"


def test_other_lines_are_written_all_the_same() -> None:
    """The limit is one of each place in the code."""
    limit = RepeatLimit()
    for i in range(100):
        limit.filter(_record(7, 100.0 + i / 1000, "away"))
    assert limit.filter(_record(8, 100.5, "back"))


def test_our_own_events_are_never_left_out() -> None:
    """They are structured, and each says something."""
    limit = RepeatLimit()
    event = {"event": "dead_letter"}
    assert all(limit.filter(_record(7, 100.0, event)) for _ in range(100))
