"""The one thing that the gateway adds to figures: in live mode it says when the line is late."""

from __future__ import annotations

from collections.abc import Callable

from services.gateway.items import Figures

DELAYED_AFTER = 5_000_000_000
"""Nanoseconds. If one of our own workers dies, its last record must not look fresh."""


class LineDelay:
    """Whether figures are late. `now` reads the clock in nanoseconds; a replay is never late."""

    def __init__(self, is_live: bool, now: Callable[[], int]) -> None:
        self.is_live = is_live
        self.now = now

    def is_delayed(self, as_of: int, limit: int = DELAYED_AFTER) -> bool:
        """Return whether figures as of this time (ns) are late, by more than `limit` (ns)."""
        return self.is_live and self.now() - as_of > limit

    def marked(self, figures: Figures, as_of: int, limit: int = DELAYED_AFTER) -> Figures:
        """Return the figures; late ones are `stale`, with `line_delayed` as the reason of `as_of`.

        Their values stay: they were right as of then.
        """
        if not self.is_delayed(as_of, limit):
            return figures
        reasons = {**figures["reasons"], "as_of": "line_delayed"}
        return {**figures, "stale": True, "reasons": reasons}
