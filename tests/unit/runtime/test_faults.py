"""The plan by which a test kills a worker."""

from __future__ import annotations

import pytest

from agents.runtime.faults import FaultPoints


def kills(plan: str, points: list[str]) -> list[int]:
    """Return after how many reached points the process was killed."""
    killed: list[int] = []
    reached: list[str] = []
    faults = FaultPoints(plan, kill=lambda: killed.append(len(reached)))
    for point in points:
        reached.append(point)
        faults.reached(point)
    return killed


@pytest.mark.parametrize(
    ("plan", "expected"),
    [("", []), ("a:1", [1]), ("a:3", [5]), ("a:4", []), ("b:1", [2]), ("c:1", []), ("a", [1])],
)
def test_a_plan_kills_once_at_the_count_of_its_own_point(plan: str, expected: list[int]) -> None:
    """Other points do not count; an empty plan, or one not reached, never kills."""
    assert kills(plan, ["a", "b", "a", "b", "a"]) == expected
