"""Waiting for conditions, with a limit at which the ends of logs are shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

# A guard against hanging, not a measure of speed.
LIMIT_S = 150.0
_POLL_S = 0.02
_TAIL_LINES = 40


def until(
    condition: Callable[[], bool], what: str, tell: Callable[[], str], limit_s: float = LIMIT_S
) -> None:
    """Wait for a condition; fail at the limit with what was awaited and what `tell` gives."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"expected {what} within {limit_s:.0f} s\n{tell()}"
        time.sleep(_POLL_S)


def tail_of(log: Path) -> str:
    """Return the end of a log under its name."""
    lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
    return "\n".join([f"--- the end of {log}", *lines])
