"""Bars and indicators of one source at an interval's end as records of their topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.bars.tables import MINUTE, TABLES
from agents.runtime.source import Output
from models.errors import InvariantError
from models.records.bars import BARS_VERSION, BarInterval, Bars, Indicators, encode_bars
from models.records.reasons import Reason
from models.statistics.bar_rows import BarRows, bar_rows
from models.statistics.bars import LIVE, REASON_CODES, Columns, source_of
from models.statistics.indicators import FIRST_N, indicators
from models.times import iso_seconds
from models.topics import BARS, INDICATORS

_REASONS: dict[int, Reason] = {code: reason for reason, code in REASON_CODES.items()}
_PRICES = ("open", "high", "low", "close")
_OF_TRADES = (*_PRICES, "vwap", "first_trade", "last_trade")
_ALL = (*_OF_TRADES, "volume", "quote_volume", "n")


class Place(msgspec.Struct, frozen=True):
    """What a record is of: a source, an interval, the bar's number.

    `candles` is the offset of the newest record of candles that made it be published anew.
    """

    exchange: str
    partition: int
    interval: BarInterval
    index: int
    candles: int | None = None

    @property
    def start(self) -> int:
        """Return when the bar starts, in whole seconds since the epoch."""
        return self.index * TABLES[self.interval].minutes * MINUTE

    @property
    def end(self) -> int:
        """Return when the bar ends, in whole seconds since the epoch."""
        return (self.index + 1) * TABLES[self.interval].minutes * MINUTE

    @property
    def key(self) -> bytes:
        """Return the key: the same for the same bytes, another one where candles changed them."""
        key = f"{self.exchange}|{self.partition}|{self.interval}|{self.end}"
        return (key if self.candles is None else f"{key}|{self.candles}").encode()


def bars_output(place: Place, names: list[str], bars: Columns) -> Output:
    """Return the record of these markets' bars."""
    record = Bars(
        version=BARS_VERSION,
        exchange=place.exchange,
        partition=place.partition,
        interval=place.interval,
        start=iso_seconds(place.start),
        as_of=iso_seconds(place.end),
        markets=names,
        **bar_fields(names, bars),
    )
    return Output(BARS.name, place.key, encode_bars(record))


def bar_fields(names: list[str], bars: Columns) -> dict[str, list[Any]]:
    """Return what bars show beside market and time, by public field; `names` are their markets."""
    volume, quote_volume = bars["volume"], bars["quote_volume"]
    with np.errstate(divide="ignore", invalid="ignore"):
        vwap = np.where(volume > 0, quote_volume / volume, np.nan)
    figures = {name: bars[name] for name in (*_PRICES, "volume", "quote_volume")} | {"vwap": vwap}
    counts = {name: bars[name] for name in ("n", "first_trade", "last_trade")}
    return {
        **{name: _nullable(column, np.isnan(column)) for name, column in figures.items()},
        **{name: _nullable(column, column < 0) for name, column in counts.items()},
        "coverage": bars["coverage"].tolist(),
        "source": [source_of(code) for code in bars["origin"].tolist()],
        "reasons": _bar_reasons(names, bars),
    }


def _bar_reasons(names: list[str], bars: Columns) -> list[dict[str, Reason]]:
    reasons: list[dict[str, Reason]] = []
    priced = ~np.isnan(bars["open"])
    told = ~np.isnan(bars["volume"])
    for i, name in enumerate(names):
        if not told[i]:
            reasons.append(dict.fromkeys(_ALL, _unseen(int(bars["reason"][i]), name)))
        elif not priced[i]:
            reasons.append(dict.fromkeys(_OF_TRADES, "no_trades"))
        else:
            # What an exchange does not tell with its candles.
            missing: dict[str, Reason] = {
                field: "thin" for field in ("n", "first_trade", "last_trade") if bars[field][i] < 0
            }
            if np.isnan(bars["quote_volume"][i]):
                missing |= {"quote_volume": "thin", "vwap": "thin"}
            elif bars["volume"][i] == 0:
                missing["vwap"] = "no_trades"
            reasons.append(missing)
    return reasons


def indicators_output(place: Place, names: list[str], window: Columns) -> Output:
    """Return the record of these markets' indicators; `window` are the bars up to this one."""
    rows = bar_rows(window)
    figures = indicators(rows, TABLES[place.interval].minutes * MINUTE)
    origin = np.bitwise_or.reduce(np.where(rows.inside, window["origin"], 0), axis=0)
    record = Indicators(
        version=BARS_VERSION,
        exchange=place.exchange,
        partition=place.partition,
        interval=place.interval,
        as_of=iso_seconds(place.end),
        markets=names,
        n=rows.n.tolist(),
        **{name: _nullable(column, np.isnan(column)) for name, column in figures.items()},
        source=[source_of(code or LIVE) for code in origin.tolist()],
        reasons=_indicator_reasons(names, window, rows, figures),
    )
    return Output(INDICATORS.name, place.key, encode_bars(record))


def _indicator_reasons(
    names: list[str],
    window: Columns,
    rows: BarRows,
    figures: dict[str, NDArray[np.float64]],
) -> list[dict[str, Reason]]:
    reasons: list[dict[str, Reason]] = []
    n = rows.n
    unseen = np.isnan(window["open"][-1]) & np.isnan(window["volume"][-1])
    for i, market in enumerate(names):
        missing: dict[str, Reason] = {}
        for name, column in figures.items():
            if not np.isnan(column[i]):
                continue
            if unseen[i]:
                missing[name] = _unseen(int(window["reason"][-1, i]), market)
            elif n[i] < FIRST_N[name]:
                missing[name] = "warming"
            elif name == "rsi_14":
                missing[name] = "quiet"
            elif np.isnan(rows.quote_volume[-FIRST_N[name] :, i]).any():
                missing[name] = "thin"
            else:
                missing[name] = "no_trades"
        reasons.append(missing)
    return reasons


def _nullable(column: NDArray[Any], undefined: NDArray[np.bool_]) -> Any:
    values: list[Any] = column.tolist()
    for i in np.flatnonzero(undefined).tolist():
        values[i] = None
    return values


def _unseen(code: int, market: str) -> Reason:
    if code not in _REASONS:
        raise InvariantError(f"expected a reason for an unseen bar of {market}, was {code}")
    return _REASONS[code]


def named(names: Sequence[str], codes: NDArray[np.int64]) -> list[str]:
    """Return the names of markets."""
    return [names[code] for code in codes.tolist()]
