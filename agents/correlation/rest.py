"""Rows before a table's first live one, made from the closes of one-minute candles."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.correlation.prices import NO_CURRENCY
from agents.correlation.tables import MINUTE_S, TableDefinition
from models.errors import RecordError
from models.markets import coin_of
from models.records.candles import CANDLES_VERSION, Candles, decode_candles


class CandleClose(msgspec.Struct, frozen=True):
    """The closes of one market: `end` are the ends of its minutes, whole seconds."""

    market: str
    end: NDArray[np.int64]
    close: NDArray[np.float64]


def candle_closes(value: bytes | None) -> CandleClose:
    """Return the closes of a Kafka value of `candles`.

    Raises:
        RecordError: the value is none.
    """
    try:
        candles = decode_candles(value or b"")
        found = _closes_of(candles)
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise RecordError("undecodable_record", f"expected candles, {error}") from error
    if candles.version != CANDLES_VERSION:
        raise RecordError(
            "unknown_schema_version",
            f"expected version {CANDLES_VERSION} of candles, was {candles.version}",
        )
    return found


def _closes_of(candles: Candles) -> CandleClose:
    coin_of(candles.market)
    start, close = np.array(candles.start, np.int64), np.array(candles.close, np.float64)
    if len(start) != len(close):
        raise ValueError("columns of one length")
    if (start % MINUTE_S).any():
        raise ValueError("whole minutes")
    good = np.isfinite(close) & (close > 0)
    return CandleClose(candles.market, start[good] + MINUTE_S, close[good])


class RestLine(msgspec.Struct, frozen=True):
    """The reference prices of one coin, one value a minute of `RestRows.end`."""

    price: NDArray[np.float64]
    currency: NDArray[np.int8]
    venues: NDArray[np.uint16]


class RestReturns(msgspec.Struct, frozen=True):
    """Rows made from candles at `time` (seconds): prices and log returns of coins.

    All but `time` have shape (rows, coins).
    """

    time: NDArray[np.int64]
    price: NDArray[np.float64]
    currency: NDArray[np.int8]
    venues: NDArray[np.uint16]
    log_return: NDArray[np.float64]


class RestRows:
    """What the candles taken so far say about the minutes before a table's first live row.

    `end` are the ends of these minutes, in whole seconds. Of a market the newest record with a
    minute counts.
    """

    def __init__(
        self, definition: TableDefinition, first_live: int, reference_currencies: Sequence[str]
    ) -> None:
        """Cover what the first windows reach back to; `first_live` is a time in seconds."""
        begin = first_live - definition.window_s - definition.sampling_s
        self.end = np.arange(
            (begin // MINUTE_S + 1) * MINUTE_S, first_live, MINUTE_S, dtype=np.int64
        )
        self._currencies = tuple(reference_currencies)
        self._lag = definition.sampling_s // MINUTE_S
        self._closes: dict[str, dict[str, NDArray[np.float64]]] = {}

    def take(self, closes: CandleClose) -> str | None:
        """Take one record; return its coin if that changes its prices."""
        if not len(self.end) or closes.market.rpartition("-")[2] not in self._currencies:
            return None
        minute = (closes.end - self.end[0]) // MINUTE_S
        within = (minute >= 0) & (minute < len(self.end))
        if not within.any():
            return None
        coin = coin_of(closes.market)
        line = self._closes.setdefault(coin, {}).setdefault(
            closes.market, np.full(len(self.end), np.nan)
        )
        line[minute[within]] = closes.close[within]
        return coin

    def line(self, coin: str) -> RestLine | None:
        """Return the prices of a coin by the rule of live rows; None without any candle."""
        markets = self._closes.get(coin)
        if markets is None:
            return None
        price = np.full(len(self.end), np.nan)
        currency = np.full(len(self.end), NO_CURRENCY, np.int8)
        venues = np.zeros(len(self.end), np.uint16)
        for rank, name in enumerate(self._currencies):
            lines = [line for market, line in markets.items() if market.endswith(f"-{name}")]
            if not lines:
                continue
            # NaN comes last.
            ordered = np.sort(np.stack(lines), axis=0)
            count = np.isfinite(ordered).sum(axis=0)
            new = np.flatnonzero((count > 0) & (currency == NO_CURRENCY))
            count = count[new]
            price[new] = (ordered[(count - 1) // 2, new] + ordered[count // 2, new]) / 2
            currency[new] = rank
            venues[new] = count
        return RestLine(price, currency, venues)

    def returns(self, coins: Sequence[str], begin: int, end: int) -> RestReturns:
        """Return the rows number `begin` to `end`, exclusive, that can have a return.

        Those in which no coin has a price are left out.
        """
        begin = max(begin, self._lag)
        shape = max(end - begin, 0), len(coins)
        price, log_return = np.full(shape, np.nan), np.full(shape, np.nan)
        currency = np.full(shape, NO_CURRENCY, np.int8)
        venues = np.zeros(shape, np.uint16)
        for i, coin in enumerate(coins):
            line = self.line(coin)
            if line is None:
                continue
            price[:, i] = line.price[begin:end]
            currency[:, i] = line.currency[begin:end]
            venues[:, i] = line.venues[begin:end]
            log_price = np.log(line.price)
            before = slice(begin - self._lag, max(end - self._lag, 0))
            moved = log_price[begin:end] - log_price[before]
            log_return[:, i] = np.where(currency[:, i] == line.currency[before], moved, np.nan)
        kept = np.isfinite(price).any(axis=1)
        time = self.end[begin:end][kept]
        return RestReturns(time, price[kept], currency[kept], venues[kept], log_return[kept])
