"""One-minute bars from trades, and longer ones from archived shorter ones: pandas alone.

`docs/bars-and-indicators.md` is the contract. A frame of bars has one row a bar; null is NaN.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from services.audit.pieces import SECOND, Sums, Times, divided, extremes
from services.audit.trades import TradePast

MINUTE = 60 * SECOND
LONGEST_UNSEEN = 60
"""After how many minutes unseen a market has no bars."""

PRICES = ("open", "high", "low", "close")
FIGURES = (*PRICES, "volume", "quote_volume", "vwap", "n", "coverage")
TIMES = ("first_trade", "last_trade")
_SOURCES = {"live": 1, "rest": 2, "mixed": 3}


def minutes_of_trades(
    trades: TradePast, begin: int, end: int, source_first: int | None
) -> pd.DataFrame:
    """Return the live bars of every minute of `[begin, end)` by its `start`; both whole minutes.

    `source_first` is the first trade of the source, where it is known: what lies before is unseen.
    """
    start = np.arange(begin, end, MINUTE, dtype=np.int64)
    stop = start + MINUTE
    low, high = np.searchsorted(trades.time, start), np.searchsorted(trades.time, stop)
    since = start if source_first is None else np.clip(source_first, start, stop)
    coverage = trades.seen_ns(since, stop) / MINUTE
    n = (high - low).astype(np.float64)
    is_told, traded = (n > 0) | (coverage > 0), n > 0
    volume = Sums(trades.time, trades.size).over(start, stop)[0]
    quote_volume = Sums(trades.time, trades.price * trades.size).over(start, stop)[0]
    least, greatest = extremes(trades.price, low, high)
    return pd.DataFrame(
        {
            "start": start,
            "open": _at(trades.price, low, traded),
            "high": greatest,
            "low": least,
            "close": _at(trades.price, high - 1, traded),
            "volume": np.where(is_told, volume, np.nan),
            "quote_volume": np.where(is_told, quote_volume, np.nan),
            "vwap": divided(np.where(traded, quote_volume, np.nan), volume),
            "n": np.where(is_told, n, np.nan),
            "coverage": coverage,
            "first_trade": _at(trades.time - begin, low, traded) - (start - begin),
            "last_trade": _at(trades.time - begin, high - 1, traded) - (start - begin),
            "is_alive": is_told,
        }
    )


def having(bars: pd.DataFrame, first: int | None) -> pd.Series[bool]:
    """Return which of a market's minutes in a row have a bar; `first` is its first trade."""
    alive = bars["is_alive"].to_numpy()
    place = np.arange(len(alive))
    newest = np.maximum.accumulate(np.where(alive, place, -1))
    known = np.zeros(len(alive), np.bool_) if first is None else bars["start"] + MINUTE > first
    return pd.Series(known & (place - newest <= LONGEST_UNSEEN), index=bars.index)


def merged(parts: pd.DataFrame, length: int, count: int) -> pd.DataFrame:
    """Return the bars of `length` ns, `count` parts long, that these parts make.

    `parts` are the bars of several markets (`market`), each once, times of trades from `start` on.
    """
    parts = parts.sort_values(["market", "start"]).reset_index(drop=True)
    whole = parts["start"] - parts["start"] % length
    for name in TIMES:
        parts[name] += parts["start"] - whole
    parts["start"] = whole
    keys = ["market", "start"]
    priced = parts[parts["open"].notna()].groupby(keys)
    told = parts[parts["volume"].notna()].groupby(keys)
    bars = parts.groupby(keys)["coverage"].sum().div(count).to_frame()
    # `nth` takes a bar as it is, where `first` would take a value of a later one for a null.
    opening, closing = (priced.nth(place).set_index(keys) for place in (0, -1))
    bars["open"], bars["first_trade"] = opening["open"], opening["first_trade"]
    bars["close"], bars["last_trade"] = closing["close"], closing["last_trade"]
    bars["high"], bars["low"] = priced["high"].max(), priced["low"].min()
    for name in ("volume", "quote_volume", "n"):
        # What one of the parts does not tell, the whole does not.
        is_told = told[name].count() == told[name].size()
        bars[name] = told[name].sum().where(is_told)
    bars["vwap"] = bars["quote_volume"] / bars["volume"].where(bars["volume"] > 0)
    parts["is_live"] = parts["source"].isin(["live", "mixed"])
    parts["is_rest"] = parts["source"].isin(["rest", "mixed"])
    origin = parts.groupby(keys)[["is_live", "is_rest"]].any()
    bars["source"] = 1.0 * origin["is_live"] + 2.0 * origin["is_rest"]
    return bars.reset_index()


def source_codes(sources: pd.Series[str]) -> pd.Series[float]:
    """Return what `source` says as numbers: mixed is both of the others."""
    return sources.map(_SOURCES).astype(np.float64)


def _at(values: np.ndarray, place: Times, there: np.ndarray) -> np.ndarray:
    if not len(values):
        return np.full(len(place), np.nan)
    return np.where(there, values[np.clip(place, 0, len(values) - 1)].astype(np.float64), np.nan)
