"""How long to wait before the next try: exponential with full jitter.

Source: M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

from collections.abc import Callable

_FIRST_S, _LAST_S = 0.5, 30.0
_FLOOR_AFTER = 3


class Backoff:
    """Waits between tries; reset when data flow, not when a connection opens."""

    def __init__(self, floor_s: float, random: Callable[[], float]) -> None:
        """`floor_s` is the least wait after the third failed try; `random` gives [0, 1)."""
        self._floor_s = floor_s
        self._random = random
        self._tries = 0

    def reset(self) -> None:
        """Data flow: the next failure is the first one again."""
        self._tries = 0

    def next_wait(self) -> float:
        """Return how long to wait before the next try, in seconds."""
        ceiling = min(_LAST_S, _FIRST_S * 2.0 ** min(self._tries, 16))
        self._tries += 1
        wait = self._random() * ceiling
        return max(wait, self._floor_s) if self._tries > _FLOOR_AFTER else wait
