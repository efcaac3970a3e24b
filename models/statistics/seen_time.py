"""How much of a second many markets were seen, where nothing lasts beyond an interval's end.

That is so for trades (section 4 of `docs/from-frames-to-figures.md`); quotes need `unseen_time`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.bursts import EVERY_MARKET, Unseen, UnseenReason
from models.statistics.unseen_time import union_of

SUMS = ("trades_seen_ns",)


class SeenTime(msgspec.Struct, frozen=True):
    """The seen time (ns, float64, shape (markets,)) and why markets are unseen at the end."""

    seen_ns: NDArray[np.float64]
    unseen_at_end: Mapping[int, UnseenReason]


def seen_time(
    begin: int,
    end: int,
    names: Sequence[str],
    since: NDArray[np.int64],
    unseen: Sequence[Unseen],
) -> SeenTime:
    """Return the time of `[begin, end)` from `since` (by market, ns) on in no unseen interval.

    `unseen` are the intervals that reach into or begin in the second, in the order of the log. Of
    several at the end the one that began last gives the reason; equal starts: the later one.

    >>> rows = [Unseen("*", 2, 5, "stale"), Unseen("b", 4, 12, "gap")]
    >>> seen = seen_time(0, 10, ["a", "b"], np.array([3, 0]), rows)
    >>> seen.seen_ns.tolist(), dict(seen.unseen_at_end)
    ([5.0, 2.0], {1: 'gap'})
    """
    low = np.clip(since, begin, end)
    seen = end - low
    if not unseen:
        return SeenTime(seen.astype(np.float64), {})
    whole = [row for row in unseen if row.market == EVERY_MARKET]
    named = {row.market for row in unseen} - {EVERY_MARKET}
    seen -= _hidden(whole, begin, end, low)
    why = _reason_at(end, whole)
    reasons = {} if why is None else dict.fromkeys(range(len(names)), why)
    for market, name in enumerate(names):
        if name not in named:
            continue
        rows = [row for row in unseen if row.market in (name, EVERY_MARKET)]
        mine = slice(market, market + 1)
        seen[mine] = end - low[mine] - _hidden(rows, begin, end, low[mine])
        why = _reason_at(end, rows)
        if why is not None:
            reasons[market] = why
    return SeenTime(seen.astype(np.float64), reasons)


def _hidden(
    rows: Sequence[Unseen], begin: int, end: int, low: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the time from `low` on in the union of the intervals."""
    hidden = np.zeros(len(low), np.int64)
    clipped = [(max(row.start, begin), min(row.end, end)) for row in rows]
    for start, stop in zip(*union_of(clipped), strict=True):
        hidden += np.clip(stop - np.maximum(low, start), 0, None)
    return hidden


def _reason_at(end: int, rows: Sequence[Unseen]) -> UnseenReason | None:
    newest: Unseen | None = None
    for row in rows:
        if row.start < end <= row.end and (newest is None or row.start >= newest.start):
            newest = row
    return None if newest is None else newest.reason
