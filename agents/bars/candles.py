"""Candles: how a record is read, and which minutes of a market it fills."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.bars.tables import CANDLE_MINUTES, MINUTE
from models.errors import RecordError
from models.records.candles import CANDLE_SECONDS, CANDLES_VERSION, Candles, decode_candles
from models.statistics.bars import ABSENT, REST, Columns, absent_bars, differing

_DAY_MINUTES = 24 * 60
_TOO_LATE = 1 << 33  # Seconds; within it every time fits into 64 bits as nanoseconds.


def read_candles(value: bytes | None) -> Candles:
    """Return the record of a Kafka value.

    Raises:
        RecordError: `undecodable_record` or `unknown_schema_version`.
    """
    if value is None:
        raise _undecodable("was a record without a value")
    try:
        candles = decode_candles(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _undecodable(str(error)) from error
    if candles.version != CANDLES_VERSION:
        raise RecordError(
            "unknown_schema_version",
            f"expected version {CANDLES_VERSION}, was {candles.version}",
        )
    exchange, colon, pair = candles.market.partition(":")
    if not (exchange and colon and "-" in pair):
        raise _undecodable(f"was the market {candles.market!r}")
    n = len(candles.start)
    for name in ("open", "high", "low", "close", "volume", "quote_volume", "trades"):
        if len(getattr(candles, name)) != n:
            raise _undecodable(f"was {len(getattr(candles, name))} of {name} for {n} minutes")
    before = -1
    for start in candles.start:
        if not before < start < _TOO_LATE or start % CANDLE_SECONDS:
            raise _undecodable(f"was the start {start} after {before}")
        before = start
    if any(
        price <= 0 for name in ("open", "high", "low", "close") for price in _all(candles, name)
    ):
        raise _undecodable("was a price that is not above 0")
    return candles


def newest_minute(candles: Candles) -> int:
    """Return the number of the newest minute of a record, -1 of an empty one."""
    return candles.start[-1] // MINUTE if candles.start else -1


def candle_bars(candles: Candles, boundary: int) -> tuple[NDArray[np.int64], Columns]:
    """Return the minutes that a record tells of, as bars: their numbers and their columns.

    Those of the 24 h up to its newest one, before minute number `boundary`, and not so old that
    their hour could not be merged anew. A minute left out between two others had no trade.
    """
    newest = newest_minute(candles)
    return told_bars(candles, max(newest - _DAY_MINUTES + 1, boundary - CANDLE_MINUTES), boundary)


def told_bars(candles: Candles, oldest: int, boundary: int) -> tuple[NDArray[np.int64], Columns]:
    """Return the same of minutes number `oldest` to `boundary`, exclusive."""
    rows = [i for i, start in enumerate(candles.start) if oldest <= start // MINUTE < boundary]
    if not rows:
        return np.zeros(0, np.int64), absent_bars(0)
    told = np.array([candles.start[i] // MINUTE for i in rows], np.int64)
    minutes = np.arange(told[0], told[-1] + 1)
    place = told - told[0]
    bars = absent_bars(len(minutes))
    for name in ("open", "high", "low", "close"):
        bars[name][place] = [getattr(candles, name)[i] for i in rows]
    bars["volume"][:] = 0.0
    bars["quote_volume"][:] = 0.0
    bars["n"][:] = 0
    volume = np.array([candles.volume[i] for i in rows])
    values = [candles.quote_volume[i] for i in rows]
    value = np.array([np.nan if x is None else x for x in values], np.float64)
    bars["volume"][place] = volume
    # Nothing times any price is nothing, told or not.
    bars["quote_volume"][place] = np.where(volume == 0, 0.0, value)
    bars["n"][place] = [-1 if (n := candles.trades[i]) is None else n for i in rows]
    bars["origin"][:] = REST
    return minutes, bars


def filled(live: Columns, candles: Columns) -> tuple[NDArray[np.bool_], Columns]:
    """Return which minutes of a market change by their candle, and what they are then.

    `live` are the bars of the same minutes as they stand. What was wholly seen stays, and so do
    trades that a candle does not know of.
    """
    loses_trades = (live["volume"] > 0) & (candles["volume"] == 0)
    takes = (live["origin"] == ABSENT) | ((live["coverage"] < 1) & ~loses_trades)
    bars = dict(candles)
    bars["coverage"] = live["coverage"]
    return takes & differing(live, bars), bars


def _all(candles: Candles, name: str) -> list[float]:
    values: list[float] = getattr(candles, name)
    return values


def _undecodable(what: str) -> RecordError:
    return RecordError("undecodable_record", f"expected candles, {what}")
