"""Quotes and unseen intervals to the published rows: sections 5 and 6, by brute force.

Every market is cut into pieces on which nothing changes; every window looks at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.oracle.ticks import ticks_of
from tests.oracle.wire import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.oracle.clocks import Source
    from tests.oracle.ticks import Ticks

WINDOW = 15 * SECOND
FAR = 2**63 - 1
QUOTE_FIELDS = ("bid", "ask", "mid", "spread", "spread_bps")
Times = NDArray[np.int64]
Mask = NDArray[np.bool_]
Row = dict[str, Any]


@dataclass
class Market:
    """One market: its quotes in event-time order and its pieces of constant state.

    `pieces` has the columns start, end, quote (place of the quote in force, −1 before the first)
    and good. `unseen` holds the intervals that are not empty, in the order of the log.
    """

    name: str
    quotes: pd.DataFrame
    unseen: pd.DataFrame
    pieces: pd.DataFrame
    dead: list[tuple[int, int, str]]


def _covered(times: Times, starts: list[int], ends: list[int]) -> Mask:
    """Return which of `times` lie in one of the intervals."""
    covered = np.zeros(len(times), dtype=bool)
    for start, end in zip(starts, ends, strict=True):
        covered |= (start <= times) & (times < end)
    return covered


def _dead(times: Times, unseen: pd.DataFrame) -> list[tuple[int, int, str]]:
    """Return the stretches from the end of a gap or down to the next quote, which see nothing."""
    stretches = []
    for end, reason in zip(unseen["end"].tolist(), unseen["reason"].tolist(), strict=True):
        if reason != "stale" and end < FAR:
            later = times[times >= end]
            stretches.append((end, int(later.min()) if len(later) else FAR, reason))
    return stretches


def market_of(name: str, quotes: pd.DataFrame, unseen: pd.DataFrame) -> Market:
    """Return the market `name` made of its quotes and unseen intervals in log order."""
    quotes = quotes.sort_values("time", kind="stable").reset_index(drop=True)
    unseen = unseen[unseen["start"] < unseen["end"]].reset_index(drop=True)
    times = quotes["time"].to_numpy(np.int64)
    starts_unseen, ends_unseen = unseen["start"].tolist(), unseen["end"].tolist()
    dead = _dead(times, unseen)
    starts_dead, ends_dead = [start for start, _, _ in dead], [end for _, end, _ in dead]
    spread = quotes["ask"] - quotes["bid"]
    mid = (quotes["ask"] + quotes["bid"]) / 2
    quotes = quotes.assign(
        spread=spread,
        mid=mid,
        spread_bps=1e4 * spread / mid,
        good=~(quotes["crossed"] | quotes["one_sided"]).to_numpy(bool),
        hidden=_covered(times, starts_unseen, ends_unseen),
    )
    edges = [*starts_unseen, *ends_unseen, *starts_dead, *ends_dead, FAR]
    cuts = np.unique(np.concatenate([times, np.array(edges, np.int64)]))
    starts, ends = cuts[:-1], cuts[1:]
    in_force = np.searchsorted(times, starts, side="right") - 1
    seen = ~_covered(starts, starts_unseen, ends_unseen)
    seen &= ~_covered(starts, starts_dead, ends_dead)
    good_quote = quotes["good"].to_numpy(bool)[np.maximum(in_force, 0)]
    good = seen & (in_force >= 0) & good_quote
    pieces = pd.DataFrame({"start": starts, "end": ends, "quote": in_force, "good": good})
    return Market(name, quotes, unseen, pieces, dead)


def _seconds(market: Market, final_clock: int) -> list[int]:
    """Return every whole second that may have a row, in order."""
    first = int(market.quotes["time"].iloc[0])
    seconds = {(first // SECOND + 1) * SECOND}
    good = market.pieces[market.pieces["good"]]
    for start, end in zip(good["start"].tolist(), good["end"].tolist(), strict=True):
        first_second = (start // SECOND + 1) * SECOND
        last_moment = min(end, final_clock) + WINDOW + SECOND
        seconds.update(range(first_second, last_moment + SECOND, SECOND))
    return sorted(second for second in seconds if second <= final_clock)


def _good_time(market: Market, t: int) -> Times:
    """Return the nanoseconds of `[t − 15 s, t)` in every good piece."""
    pieces = market.pieces
    start = np.maximum(pieces["start"].to_numpy(np.int64), t - WINDOW)
    end = np.minimum(pieces["end"].to_numpy(np.int64), t)
    return np.where(pieces["good"].to_numpy(bool), np.maximum(end - start, 0), 0)


def _unseen_reason(market: Market, moment: int) -> str | None:
    """Return why `moment` is unseen, or None where it is seen."""
    unseen = market.unseen
    around = unseen[(unseen["start"] <= moment) & (moment < unseen["end"])]
    if len(around):
        newest = around[around["start"] == around["start"].max()]
        return str(newest["reason"].iloc[-1])
    ended = [stretch for stretch in market.dead if stretch[0] <= moment < stretch[1]]
    return max(reversed(ended), key=lambda stretch: stretch[0])[2] if ended else None


def _null_reasons(market: Market, t: int) -> dict[str, str]:
    """Return the reasons of the quote fields that are null at `t`."""
    unseen = _unseen_reason(market, t - 1)
    if unseen is not None:
        return dict.fromkeys(QUOTE_FIELDS, unseen)
    quote = market.quotes[market.quotes["time"] < t].iloc[-1]
    if quote["one_sided"]:
        return dict.fromkeys(QUOTE_FIELDS, "thin")
    return dict.fromkeys(QUOTE_FIELDS[2:], "crossed") if quote["crossed"] else {}


def row_at(market: Market, t: int) -> Row | None:
    """Return the row of `market` at `t`, or None where it has none."""
    quotes = market.quotes
    times = quotes["time"].to_numpy(np.int64)
    good_time = _good_time(market, t)
    covered = int(good_time.sum())
    is_first = t - SECOND <= times[0] < t
    if not (covered or is_first or _good_time(market, t - SECOND).sum()):
        return None
    reasons = _null_reasons(market, t)
    in_force = quotes[quotes["time"] < t].iloc[-1]
    row: Row = {"market": market.name, "as_of": iso(t)}
    row |= {key: None if key in reasons else float(in_force[key]) for key in QUOTE_FIELDS}

    inside = (t - WINDOW <= times) & (times < t)
    counted = quotes["spread"][inside & (quotes["good"] & ~quotes["hidden"]).to_numpy(bool)]
    used = market.pieces["quote"].to_numpy()[good_time > 0]
    extremes = counted.tolist() + quotes["spread"].iloc[used].tolist()
    weights = good_time[good_time > 0] / WINDOW

    def mean(column: str) -> float | None:
        values = quotes[column].to_numpy(float)[used]
        return float((values * weights).sum() / weights.sum()) if covered else None

    row["windows"] = {
        "15s": {
            "mean": mean("spread"),
            "mean_bps": mean("spread_bps"),
            "tick_mean": float(counted.mean()) if len(counted) else None,
            "min": min(extremes, default=None),
            "max": max(extremes, default=None),
            "n": len(counted),
            "coverage": covered / WINDOW,
        }
    }
    row["stale"] = _unseen_reason(market, t - 1) is not None
    for key, value in row["windows"]["15s"].items():
        if value is None:
            reasons[f"windows.15s.{key}"] = "quiet" if covered else reasons["spread"]
    row["reasons"] = reasons
    return row


def iso(t: int) -> str:
    """Return a whole second as `2026-10-03T20:58:31Z`."""
    return datetime.fromtimestamp(t // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rows_of_market(market: Market, final_clock: int) -> list[Row]:
    """Return the rows of one market, in time order, up to the clock's last position."""
    rows = (row_at(market, t) for t in _seconds(market, final_clock))
    return [row for row in rows if row is not None]


def rows_of(quotes: pd.DataFrame, unseen: pd.DataFrame, final: dict[Source, int]) -> list[Row]:
    """Return every row of every market that had a quote, by market and then by time.

    `unseen` may name trades as well; a reader of quotes does not see those.
    """
    of_quotes = unseen[unseen["kind"] == "quotes"]
    rows: list[Row] = []
    for name, own in quotes.groupby("market"):
        source = str(name).partition(":")[0], int(own["partition"].iloc[0])
        hidden = of_quotes[of_quotes["market"] == name]
        rows += rows_of_market(market_of(str(name), own, hidden), final[source])
    return rows


def rows_of_ticks(ticks: Ticks) -> list[Row]:
    """Return every row that follows from `ticks`."""
    return rows_of(ticks.quotes, ticks.unseen, ticks.final)


def oracle_rows(paths: Iterable[Path], partitions: int = 8) -> list[Row]:
    """Return the rows that a replay of these captures has to publish."""
    return rows_of_ticks(ticks_of(paths, partitions))
