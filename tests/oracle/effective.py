"""What takers paid: trades against the mids before and after them (section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.oracle.markets import market_of
from tests.oracle.wire import SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.oracle.markets import Market, Times

HORIZONS = (5, 60)
"""Seconds after a trade at which its later mids are taken."""


def _mids(market: Market, moments: Times) -> NDArray[np.float64]:
    """Return the mid in force at each moment, NaN where that time is not good."""
    good, place = market.good_at(moments)
    mids = market.quotes["mid"].to_numpy(np.float64)
    return np.where(good, mids[np.maximum(place, 0)], np.nan)


def trades_with_mids(market: Market) -> pd.DataFrame:
    """Return the trades that are not late with what follows from their mids, in bps of `mid`.

    `mid` is the one strictly before the trade, `effective_bps` 2·10⁴ D (p − m)/m, and for every
    horizon `realised_…s_bps` 2·10⁴ D (p − later)/m and `impact_…s_bps` 2·10⁴ D (later − m)/m.
    NaN where a mid is not defined.
    """
    trades = market.trades
    times = trades["time"].to_numpy(np.int64)
    price, twice = trades["price"].to_numpy(np.float64), 2e4 * trades["side"].to_numpy(np.float64)
    mid = _mids(market, times - 1)
    columns = {"mid": mid, "effective_bps": twice * (price - mid) / mid}
    for seconds in HORIZONS:
        later = _mids(market, times + seconds * SECOND)
        columns[f"realised_{seconds}s_bps"] = twice * (price - later) / mid
        columns[f"impact_{seconds}s_bps"] = twice * (later - mid) / mid
    return trades.assign(**columns)


def effective_spreads(
    quotes: pd.DataFrame, trades: pd.DataFrame, unseen: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return `trades_with_mids` of every market that has both; `unseen` may be left out."""
    if unseen is None:
        unseen = pd.DataFrame({name: [] for name in ("market", "kind", "start", "end", "reason")})
    parts = [
        trades_with_mids(market_of(str(name), quotes[quotes["market"] == name], unseen, own))
        for name, own in trades.groupby("market")
        if (quotes["market"] == name).any()
    ]
    return pd.concat(parts) if parts else trades.head(0).assign(mid=[], effective_bps=[])
