"""Effective spreads: what a taker paid against the mid strictly before the trade."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.oracle.wire import SECOND


def effective_spreads(
    quotes: pd.DataFrame, trades: pd.DataFrame, unseen: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return every trade that is not late, with its mid and 10⁴ · 2D(p − m)/m as `effective_bps`.

    m is the mid of the last quote whose time is strictly before the trade's. It is NaN without
    one, where that quote is crossed or one-sided, and, with `unseen`, where the moment before the
    trade lies in an unseen interval of the quotes.
    """
    parts = []
    for market, own in trades[~trades["late"].astype(bool)].groupby("market"):
        mine = quotes[quotes["market"] == market].sort_values("time", kind="stable")
        mid = ((mine["bid"] + mine["ask"]) / 2).where(~mine["crossed"].astype(bool)).to_numpy()
        moments = own["time"].to_numpy(np.int64)
        place = np.searchsorted(mine["time"].to_numpy(np.int64), moments, side="left") - 1
        before = np.full(len(own), np.nan)
        before[place >= 0] = mid[place[place >= 0]]
        if unseen is not None:
            hidden = unseen[(unseen["market"] == market) & (unseen["kind"] == "quotes")]
            ends = zip(hidden["start"].tolist(), hidden["end"].tolist(), strict=True)
            for start, end in ends:
                before[(start < moments) & (moments <= end)] = np.nan
        paid = 2 * own["side"].to_numpy() * (own["price"].to_numpy() - before)
        parts.append(own.assign(mid=before, effective_bps=1e4 * paid / before))
    if not parts:
        return trades.head(0).assign(mid=[], effective_bps=[])
    return pd.concat(parts).sort_index()


def by_second(effective: pd.DataFrame) -> pd.DataFrame:
    """Return count and plain mean of `effective_bps` by market and second `[t − 1 s, t)`."""
    as_of = (effective["time"] // SECOND + 1) * SECOND
    known = effective.assign(as_of=as_of).dropna(subset=["effective_bps"])
    grouped = known.groupby(["market", "as_of"])["effective_bps"]
    return grouped.agg(["count", "mean"]).reset_index()
