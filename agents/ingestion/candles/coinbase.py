"""Coinbase's candles.

Source: https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductcandles: rows
[time, low, high, open, close, volume], newest first, at most 300 a request; minutes without a
trade are left out; neither the quote currency's volume nor the number of trades is told. Limits:
https://docs.cdp.coinbase.com/exchange/docs/rate-limits: 10 public requests a second and address,
15 in bursts.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from agents.ingestion.candles.minutes import (
    CandleInterface,
    Minute,
    Seconds,
    decoded,
    minute_of,
    pages,
)
from agents.ingestion.exchanges.fields import PriceNumber, SizeNumber
from models.records.candles import CANDLE_SECONDS
from models.times import iso_seconds

_MOST = 300

_Row = tuple[Seconds, PriceNumber, PriceNumber, PriceNumber, PriceNumber, SizeNumber]


def requests(symbol: str, start: int, end: int) -> list[str]:
    """Return the paths that answer with the minutes of [start, end), the newest first.

    >>> requests("BTC-USD", 60, 180)[0].replace("%3A", ":")
    '/products/BTC-USD/candles?granularity=60&start=1970-01-01T00:01:00Z&end=1970-01-01T00:02:00Z'
    """
    return [
        f"/products/{quote(symbol, safe='')}/candles?"
        + urlencode(
            {
                "granularity": CANDLE_SECONDS,
                "start": iso_seconds(first),
                # The one that begins there belongs to the answer.
                "end": iso_seconds(until - CANDLE_SECONDS),
            }
        )
        for first, until in reversed(pages(start, end, _MOST))
    ]


def read(body: bytes) -> list[Minute]:
    """Return the minutes of an answer.

    Raises:
        FrameError: it holds none.
    """
    return [
        minute_of(start, (opened, high, low, close), volume)
        for start, low, high, opened, close, volume in decoded(body, list[_Row])
    ]


COINBASE = CandleInterface(requests, read, rate=9.0, burst=5.0)
