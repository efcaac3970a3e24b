"""One-minute candles as an exchange's answer holds them, and the record they become."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import msgspec

from agents.ingestion.exchanges.fields import LARGEST_INT64, UNDECODABLE, malformed
from models.records.candles import CANDLE_SECONDS, CANDLES_VERSION, Candles
from models.times import iso_microseconds

Decoded = TypeVar("Decoded")

Seconds = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INT64 // 1_000_000_000)]
"""A time in seconds that fits into 64 bits as nanoseconds."""


class Minute(msgspec.Struct, frozen=True, gc=False):
    """One candle.

    `start` is in seconds since the epoch, prices are in the quote currency, `volume` in coins;
    `quote_volume` and `trades` are None where the exchange does not tell them.
    """

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None = None
    trades: int | None = None


class CandleInterface(msgspec.Struct, frozen=True):
    """How an exchange is asked for candles; nothing here does input or output.

    `requests(symbol, start, end)` gives the paths, with their queries, that together answer with
    the minutes that begin in [start, end) (seconds, whole minutes), as far back as the exchange
    tells them; `symbol` is the market's on the websocket. `read` makes minutes of an answer's body
    and raises InputError: `malformed_frame`, or `rate_limited` where the body says so. At most
    `burst` requests go out at once and `rate` a second after. `reach` is how many minutes before
    now it tells at most, None where it tells all that it has.
    """

    requests: Callable[[str, int, int], list[str]]
    read: Callable[[bytes], list[Minute]]
    rate: float
    burst: float
    reach: int | None = None


def minute_of(
    start: int,
    prices: Iterable[float],
    volume: float,
    quote_volume: float | None = None,
    trades: int | None = None,
) -> Minute:
    """Return a minute; `prices` are open, high, low and close.

    Raises:
        FrameError: it begins on no whole minute, its prices contradict each other, or a figure is
            too large for a float.
    """
    opened, high, low, close = prices
    minute = Minute(start, opened, high, low, close, volume, quote_volume, trades)
    if start % CANDLE_SECONDS:
        raise malformed("a whole minute", minute)
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise malformed("low ≤ open, close ≤ high", minute)
    if quote_volume is not None and not math.isfinite(quote_volume):
        raise malformed("a finite volume", minute)
    return minute


def decoded(body: bytes, kind: type[Decoded]) -> Decoded:
    """Return the content of an answer.

    Raises:
        FrameError: it is none of this kind.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except UNDECODABLE as error:
        raise malformed(f"candles ({error})", body.decode("utf-8", "replace")) from error


def pages(start: int, end: int, most: int) -> list[tuple[int, int]]:
    """Return [start, end) cut into pages of at most `most` minutes, oldest first.

    >>> pages(0, 300, 2)
    [(0, 120), (120, 240), (240, 300)]
    """
    step = most * CANDLE_SECONDS
    return [(page, min(end, page + step)) for page in range(start, end, step)]


def finished_until(now: float) -> int:
    """Return the end of the last minute that is finished at a time (seconds).

    >>> finished_until(179.9)
    120
    """
    return int(now // CANDLE_SECONDS) * CANDLE_SECONDS


def candles_of(
    market: str, minutes: Iterable[Minute], start: int, end: int, now: int
) -> Candles | None:
    """Return the record of the minutes that begin in [start, end) and are finished at `now`.

    `now` is the exchange's time in nanoseconds. Without a minute there is no record.
    """
    until = min(end, finished_until(now / 1e9))
    rows = {each.start: each for each in minutes if start <= each.start < until}
    if not rows:
        return None
    kept = [rows[begin] for begin in sorted(rows)]
    return Candles(
        version=CANDLES_VERSION,
        market=market,
        fetched_at=iso_microseconds(now),
        start=[each.start for each in kept],
        open=[each.open for each in kept],
        high=[each.high for each in kept],
        low=[each.low for each in kept],
        close=[each.close for each in kept],
        volume=[each.volume for each in kept],
        quote_volume=[each.quote_volume for each in kept],
        trades=[each.trades for each in kept],
    )
