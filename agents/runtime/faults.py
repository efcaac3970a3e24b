"""Points at which a test can kill a worker, to show that nothing is lost there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


class FaultPoints:
    """Kills this process the n-th time a named point is reached; an empty plan never does.

    The plan is written `point:n`, such as `outputs_acknowledged:17`.
    """

    def __init__(self, plan: str, kill: Callable[[], None] | None = None) -> None:
        """Read the plan; `kill` is what happens at the point, by default SIGKILL."""
        point, _, count = plan.partition(":")
        self._point = point
        self._left = int(count or 1)
        self._kill = kill or (lambda: os.kill(os.getpid(), signal.SIGKILL))

    def reached(self, point: str) -> None:
        """Say that `point` is reached."""
        if point != self._point or self._left <= 0:
            return
        self._left -= 1
        if self._left == 0:
            self._kill()
