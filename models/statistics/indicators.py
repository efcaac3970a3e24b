"""All indicators of an interval's bars in a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.atr import atr
from models.statistics.bar_rows import BarRows
from models.statistics.bollinger import bollinger
from models.statistics.ema import ema
from models.statistics.realised_volatility import realised_volatility
from models.statistics.sma import sma
from models.statistics.vwap import vwap
from models.statistics.wilder_rsi import wilder_rsi

ROW_BARS = 512
"""The longest row that is looked at."""

FIRST_N = {
    "sma_20": 20,
    "ema_20": 20,
    "bollinger_upper": 20,
    "bollinger_lower": 20,
    "rsi_14": 15,
    "atr_14": 15,
    "realised_volatility": 61,
    "vwap_20": 20,
}
"""By indicator how many bars its first value needs."""


def indicators(rows: BarRows, interval_seconds: int) -> dict[str, NDArray[np.float64]]:
    """Return by name the figures at the end of the rows, shape (markets,); NaN is undefined.

    Which figures these are, section 3 of `docs/bars-and-indicators.md` says.
    """
    start = rows.start
    upper, lower = bollinger(rows.close, start, 20, 2.0)
    return {
        "sma_20": sma(rows.close, start, 20),
        "ema_20": ema(rows.close, start, 20),
        "bollinger_upper": upper,
        "bollinger_lower": lower,
        "rsi_14": wilder_rsi(rows.close, start, 14),
        "atr_14": atr(rows.high, rows.low, rows.close, start, 14),
        "realised_volatility": realised_volatility(rows.close, start, 60, interval_seconds),
        "vwap_20": vwap(rows.quote_volume, rows.volume, start, 20),
    }
