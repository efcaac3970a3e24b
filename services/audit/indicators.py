"""Indicators of one row of bars, as their textbooks write them: one step after the other.

`docs/bars-and-indicators.md` §3 is the contract.
"""

from __future__ import annotations

import math

import numpy as np

from services.audit.pieces import Floats

ROW_BARS = 512
FIGURES = (
    *("n", "sma_20", "ema_20", "bollinger_upper", "bollinger_lower"),
    *("rsi_14", "atr_14", "realised_volatility", "vwap_20"),
)
_YEAR_S = 365 * 86_400


def row_of(bars: dict[str, Floats]) -> tuple[int, dict[str, Floats]]:
    """Return where in these bars the row begins that ends with them, and its columns.

    `bars` are bars in a row, NaN where there is none. A bar that was seen and has no price is a
    flat one; one that was not seen ends the row before it.
    """
    priced = ~np.isnan(bars["close"])
    ended = np.flatnonzero(~priced & np.isnan(bars["volume"]))
    after = int(ended[-1]) + 1 if len(ended) else 0
    begun = np.flatnonzero(priced[after:])
    start = after + int(begun[0]) if len(begun) else len(priced)
    row = {name: column[start:].copy() for name, column in bars.items()}
    flat = ~priced[start:]
    for place in np.flatnonzero(flat).tolist():
        row["close"][place] = row["close"][place - 1]
    for name in ("high", "low"):
        row[name][flat] = row["close"][flat]
    for name in ("volume", "quote_volume"):
        row[name][flat] = 0.0
    return start, row


def figures(row: dict[str, Floats], interval_s: int) -> dict[str, float]:
    """Return the figures at the end of a row; NaN is null."""
    close, high, low = row["close"], row["high"], row["low"]
    n = len(close)
    found = dict.fromkeys(FIGURES, math.nan) | {"n": float(n)}
    if n >= 20:
        last = close[-20:]
        middle, width = float(last.mean()), 2.0 * float(last.std())
        found |= {"sma_20": middle, "ema_20": _smoothed(close, 20, 2 / 21)}
        found |= {"bollinger_upper": middle + width, "bollinger_lower": middle - width}
        volume = float(row["volume"][-20:].sum())
        if volume > 0:
            found["vwap_20"] = float(row["quote_volume"][-20:].sum()) / volume
    if n >= 15:
        change = np.diff(close)
        gain, loss = (_smoothed(np.maximum(s * change, 0.0), 14, 1 / 14) for s in (1.0, -1.0))
        if gain + loss > 0:
            found["rsi_14"] = 100.0 * gain / (gain + loss)
        before = close[:-1]
        true_range = np.maximum(high[1:], before) - np.minimum(low[1:], before)
        found["atr_14"] = _smoothed(true_range, 14, 1 / 14)
    if n >= 61:
        returns = np.log(close[-60:] / close[-61:-1])
        year = _YEAR_S / (60 * interval_s)
        found["realised_volatility"] = math.sqrt(float((returns**2).sum()) * year)
    return found


def _smoothed(values: Floats, seed: int, alpha: float) -> float:
    """Return the mean of the first `seed` values, moved towards every later one by `alpha`."""
    level = float(values[:seed].mean())
    for value in values[seed:].tolist():
        level += alpha * (value - level)
    return level
