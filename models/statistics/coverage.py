"""Which share of an interval the trades of a market were seen, and why not."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models.records.bursts import Unseen, UnseenReason


class Coverage(msgspec.Struct, frozen=True):
    """`seen_ns` of the interval lie in no unseen interval; `reason` is None where none touches."""

    seen_ns: int
    reason: UnseenReason | None


def coverage(begin: int, end: int, rows: Iterable[Unseen]) -> Coverage:
    """Return what was seen of `[begin, end)`, given the unseen intervals in the order of the log.

    The reason is that of the interval in force at the end, else of the one that began last; of
    equal starts the later in the log.

    >>> coverage(0, 10, [Unseen("*", -5, 2, "down"), Unseen("*", 1, 4, "stale")])
    Coverage(seen_ns=6, reason='stale')
    """
    touching = [row for row in rows if row.start < end and row.end > begin and row.start < row.end]
    seen, until = end - begin, begin
    for row in sorted(touching, key=lambda row: row.start):
        seen -= max(0, min(row.end, end) - max(row.start, until))
        until = max(until, row.end)
    newest: Unseen | None = None
    for row in touching:
        if newest is None or (row.end >= end, row.start) >= (newest.end >= end, newest.start):
            newest = row
    return Coverage(seen, None if newest is None else newest.reason)
