"""Which part of a second a market could not be seen.

The rules are section 5 of `docs/from-frames-to-figures.md`: a `gap` or `down` interval goes on,
after its end, until the market's next quote; a `stale` one does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.bursts import Unseen, UnseenReason

LASTING: tuple[UnseenReason, ...] = ("gap", "down")


class UnseenTime(msgspec.Struct, frozen=True):
    """The unseen time of one market within one second `[begin, end)`.

    `starts` and `ends` are disjoint, rising intervals, int64 ns. `dead` is the reason carried into
    the next second when a lasting interval has ended and no quote came since. `reason_at_end` is
    why the market is unseen just before `end`, None when it is seen.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    dead: UnseenReason | None
    reason_at_end: UnseenReason | None

    def before(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how much unseen time lies before each of `times` (ns)."""
        if not len(self.starts):
            return np.zeros(len(times), np.int64)
        lengths = self.ends - self.starts
        whole = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        index = np.searchsorted(self.ends, times, side="right")
        inside = np.clip(times - np.append(self.starts, times.max(initial=0))[index], 0, None)
        partial: NDArray[np.int64] = np.where(index < len(self.starts), inside, 0)
        result: NDArray[np.int64] = whole[index] + partial
        return result

    def contains(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each of `times` whether it is unseen."""
        index = np.searchsorted(self.ends, times, side="right")
        starts = np.append(self.starts, np.iinfo(np.int64).max)
        result: NDArray[np.bool_] = starts[index] <= times
        return result


def unseen_time(
    begin: int,
    end: int,
    quote_times: NDArray[np.int64],
    rows: Sequence[Unseen],
    dead: UnseenReason | None,
) -> UnseenTime:
    """Return the unseen time of a market within `[begin, end)`.

    `quote_times` are the market's quotes of this second, rising. `rows` are its unseen intervals
    that reach into or begin in this second, in the order of the log. `dead` is what the second
    before carried over.
    """
    intervals = [(max(row.start, begin), min(row.end, end)) for row in rows if row.start < end]
    lasting = [(row.end, row.reason) for row in rows if row.reason in LASTING and row.end <= end]
    if dead is not None:
        lasting.insert(0, (begin, dead))
    dead_at_end: tuple[int, UnseenReason] | None = None
    for since, reason in lasting:
        since = max(since, begin)
        later = int(np.searchsorted(quote_times, since, side="left"))
        if later < len(quote_times):
            intervals.append((since, int(quote_times[later])))
            continue
        intervals.append((since, end))
        if dead_at_end is None or since >= dead_at_end[0]:
            dead_at_end = (since, reason)
    starts, ends = union_of(intervals)
    dead_reason = None if dead_at_end is None else dead_at_end[1]
    newest: Unseen | None = None
    for row in rows:
        if row.start < end <= row.end and (newest is None or row.start >= newest.start):
            newest = row
    return UnseenTime(
        np.array(starts, np.int64),
        np.array(ends, np.int64),
        dead_reason,
        dead_reason if newest is None else newest.reason,
    )


def union_of(intervals: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return starts and ends of the disjoint, rising intervals that cover the same; none empty.

    >>> union_of([(5, 7), (1, 3), (3, 4), (2, 2)])
    ([1, 5], [4, 7])
    """
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends
