"""When a market's trades were not seen for so long that their minutes are to be fetched."""

from __future__ import annotations

import msgspec

OUTAGE_NS = 60_000_000_000
"""A hole that is no longer than this is left as it is."""


class TradesSeen(msgspec.Struct):
    """Whether the trades of one market are seen; times in nanoseconds.

    `unseen_from` is since when they are not, None while they are. `is_new` until they have been
    seen for the first time: what went before is a hole however short it was.
    """

    unseen_from: int | None
    is_new: bool = True

    def look(self, now: int, sees: bool, since: int | None) -> tuple[int, int] | None:
        """Take what holds now; return the hole [start, end) that has come to its end, if one has.

        `since` is when the unseen interval in force began, where there is one.
        """
        if not sees:
            if self.unseen_from is None:
                self.unseen_from = now if since is None else since
            return None
        start, was_new = self.unseen_from, self.is_new
        self.unseen_from, self.is_new = None, False
        if start is None or not (was_new or now - start > OUTAGE_NS):
            return None
        return start, now
