"""Binance's candles.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints,
"Kline/Candlestick data": at most 1,000 rows a request, which weighs 2 of 6,000 a minute. A minute
without a trade is a row with volume 0.
"""

from __future__ import annotations

from urllib.parse import urlencode

from agents.ingestion.candles.minutes import (
    CandleInterface,
    Minute,
    decoded,
    minute_of,
    pages,
)
from agents.ingestion.exchanges.fields import (
    Identifier,
    Milliseconds,
    malformed,
    prices_of,
    sizes_of,
)

_MOST = 1_000

# Open time, open, high, low, close, volume, close time, quote volume, trades, and three columns
# about who took.
_Row = tuple[
    Milliseconds, str, str, str, str, str, int, str, Identifier, str, str, str | int | float
]


def requests(symbol: str, start: int, end: int) -> list[str]:
    """Return the paths that answer with the minutes of [start, end).

    >>> requests("BTCUSDT", 60, 180)
    ['/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=60000&endTime=179999&limit=1000']
    """
    return [
        "/api/v3/klines?"
        + urlencode(
            {
                "symbol": symbol,
                "interval": "1m",
                "startTime": first * 1_000,
                "endTime": until * 1_000 - 1,
                "limit": _MOST,
            }
        )
        for first, until in pages(start, end, _MOST)
    ]


def read(body: bytes) -> list[Minute]:
    """Return the minutes of an answer.

    Raises:
        FrameError: it holds none.
    """
    minutes = []
    for row in decoded(body, list[_Row]):
        volume, quote_volume = sizes_of((row[5], row[7]))
        start, rest = divmod(row[0], 1_000)
        if rest:
            raise malformed("a whole second", row[0])
        minutes.append(minute_of(start, prices_of(row[1:5]), volume, quote_volume, row[8]))
    return minutes


# 1,200 of weight a minute: a fifth of what there is, for there may be other workers.
BINANCE = CandleInterface(requests, read, rate=10.0, burst=5.0)
