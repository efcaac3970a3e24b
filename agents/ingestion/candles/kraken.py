"""Kraken's candles.

Source: https://docs.kraken.com/api/docs/rest-api/get-ohlc-data: rows [time, open, high, low, close,
vwap, volume, count], oldest first, whatever is asked for the newest 720 at most. So with minutes it
reaches back 12 hours and no further. Problems come in `error` with HTTP status 200. Limits:
https://support.kraken.com/hc/en-us/articles/206548367: one public request a second, counted for
OHLC by address and pair; a pair is asked for once, so some may go out at once.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from agents.ingestion.candles.minutes import CandleInterface, Minute, Seconds, decoded, minute_of
from agents.ingestion.exchanges.fields import Identifier, malformed, prices_of, sizes_of
from models.errors import InputError
from models.markets import KRAKEN_ALIASES
from models.records.candles import CANDLE_SECONDS

_REST_NAMES = {usual: own for own, usual in KRAKEN_ALIASES.items()}
_WAIT = ("EAPI:Rate limit", "EGeneral:Too many requests", "EService:")

_Row = tuple[Seconds, str, str, str, str, str, str, Identifier]


class _Answer(msgspec.Struct):
    error: list[str]
    result: dict[str, list[_Row] | int] = {}


def rest_pair(symbol: str) -> str:
    """Return the `altname` by which REST knows a pair of the websocket.

    >>> rest_pair("ETH/BTC"), rest_pair("DOGE/USD")
    ('ETHXBT', 'XDGUSD')
    """
    return "".join(_REST_NAMES.get(coin, coin) for coin in symbol.split("/"))


def requests(symbol: str, start: int, _end: int) -> list[str]:
    """Return the one path that answers with the minutes from `start` on.

    >>> requests("BTC/USD", 120, 240)
    ['/0/public/OHLC?pair=XBTUSD&interval=1&since=60']
    """
    # What lies at `since` itself may be left out.
    query = {"pair": rest_pair(symbol), "interval": 1, "since": start - CANDLE_SECONDS}
    return ["/0/public/OHLC?" + urlencode(query)]


def read(body: bytes) -> list[Minute]:
    """Return the minutes of an answer; `quote_volume` is its volume-weighted mean price × volume.

    Raises:
        InputError: `rate_limited` where Kraken wants to be asked later, else it holds no candles.
    """
    answer = decoded(body, _Answer)
    if any(problem.startswith(_WAIT) for problem in answer.error):
        raise InputError("rate_limited", f"expected candles, Kraken says {answer.error}")
    if answer.error:
        raise malformed("candles", f"Kraken says {answer.error}")
    rows = [row for rows in answer.result.values() if not isinstance(rows, int) for row in rows]
    minutes = []
    for start, opened, high, low, close, mean_price, size, trades in rows:
        mean, volume = sizes_of((mean_price, size))
        prices = prices_of((opened, high, low, close))
        minutes.append(minute_of(start, prices, volume, mean * volume, trades))
    return minutes


KRAKEN = CandleInterface(requests, read, rate=1.0, burst=20.0, reach=720)
