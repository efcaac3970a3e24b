"""Records of the agents, as the tests of the gateway need them: bars, indicators, correlations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from models.records.bars import (
    BARS_VERSION,
    INTERVAL_SECONDS,
    BarInterval,
    Bars,
    BarSource,
    Indicators,
    encode_bars,
)
from models.records.correlations import (
    CORRELATIONS_VERSION,
    WHY,
    CorrelationBlock,
    Returns,
    encode_block,
    encode_returns,
)
from models.times import iso_seconds
from services.gateway.records import Codec, DerivedRecord, derived_record
from tests.unit.gateway.made import BTC, START, place

MINUTE = START // 60
TABLE = "1h.60s.pearson"
LONG_TABLE = "24h.5m.pearson"
THIN, WARMING, QUIET = (WHY.index(reason) for reason in ("thin", "warming", "quiet"))


def bars(
    minute: int,
    closes: Mapping[str, float | None] | None = None,
    interval: BarInterval = "1m",
    source: BarSource = "live",
    offset: int | None = None,
) -> DerivedRecord:
    """Return a source's bars of an interval, the `minute`-th (or hour …) after START.

    A market without a close had no trade; open, high and low follow from the close.
    """
    closes = {BTC: 100.0} if closes is None else closes
    start = (START // INTERVAL_SECONDS[interval] + minute) * INTERVAL_SECONDS[interval]
    prices = list(closes.values())
    traded = [close is not None for close in prices]

    def each(value: Any) -> list[Any]:
        return [value if has_traded else None for has_traded in traded]

    def priced(shift: float) -> list[float | None]:
        return [None if close is None else close + shift for close in prices]

    fields = ("open", "high", "low", "close", "vwap", "first_trade", "last_trade")
    value = encode_bars(
        Bars(
            version=BARS_VERSION,
            exchange=next(iter(closes)).partition(":")[0],
            partition=2,
            interval=interval,
            start=iso_seconds(start),
            as_of=iso_seconds(start + INTERVAL_SECONDS[interval]),
            markets=list(closes),
            open=priced(-1.0),
            high=priced(2.0),
            low=priced(-3.0),
            close=prices,
            volume=[2.0 if has_traded else 0.0 for has_traded in traded],
            quote_volume=[0.0 if close is None else 2.0 * close for close in prices],
            vwap=prices,
            n=[5 if has_traded else 0 for has_traded in traded],
            first_trade=each(start * 10**9 + 250_000_000),
            last_trade=each((start + 59) * 10**9),
            coverage=[1.0] * len(prices),
            source=[source] * len(prices),
            reasons=[{} if has_traded else dict.fromkeys(fields, "no_trades")
                     for has_traded in traded],
        )
    )  # fmt: skip
    return _record("bars", minute if offset is None else offset, value)


def indicators(minute: int, sma: float | None = 100.0, market: str = BTC) -> DerivedRecord:
    """Return the indicators of one market at the end of a minute; all but one are warming."""
    others = (
        "ema_20", "bollinger_upper", "bollinger_lower", "rsi_14", "atr_14",
        "realised_volatility", "vwap_20",
    )  # fmt: skip
    nothing: list[float | None] = [None]
    value = encode_bars(
        Indicators(
            version=BARS_VERSION,
            exchange="kraken",
            partition=2,
            interval="1m",
            as_of=iso_seconds((MINUTE + minute + 1) * 60),
            markets=[market],
            n=[20],
            sma_20=[sma],
            **dict.fromkeys(others, nothing),
            source=["live"],
            reasons=[dict.fromkeys(others, "warming")],
        )
    )
    return _record("indicators", minute, value)


def blocks(
    second: int,
    coins: Sequence[str],
    matrix: Sequence[Sequence[float]],
    table: str = TABLE,
    why: Sequence[Sequence[int]] | None = None,
    rows_a_block: int = 1,
    n_effective: float = 100.0,
) -> list[DerivedRecord]:
    """Return the blocks of a matrix `second` seconds after START."""
    cells = np.array(matrix, "<f8")
    reasons = np.zeros(cells.shape, "u1") if why is None else np.array(why, "u1")
    starts = range(0, len(coins), rows_a_block)
    found = []
    for number, first in enumerate(starts):
        part = slice(first, first + rows_a_block)
        shape = cells[part].shape
        block = CorrelationBlock(
            version=CORRELATIONS_VERSION,
            table=table,
            as_of=iso_seconds(START + second),
            block=number,
            blocks=len(starts),
            first_row=first,
            coins=list(coins),
            masked=["binance|2"],
            matrix=cells[part].tobytes(),
            n=np.full(shape, 300, "<u4").tobytes(),
            n_rest=np.full(shape, 75, "<u4").tobytes(),
            n_effective=np.full(shape, n_effective).tobytes(),
            why=reasons[part].tobytes(),
            sigma=np.linspace(0.4, 0.6, len(coins)).tobytes(),
            ticks=np.full(len(coins), 9.0).tobytes(),
        )
        found.append(_record("correlations", second * 10 + number, encode_block(block)))
    return found


def returns(
    second: int,
    prices: Mapping[str, float | None],
    log_returns: Iterable[float | None] | None = None,
    table: str = TABLE,
    source: str = "live",
) -> DerivedRecord:
    """Return a row of a table `second` seconds after START."""
    changes = [0.0 if price else None for price in prices.values()]
    value = encode_returns(
        Returns(
            version=CORRELATIONS_VERSION,
            table=table,
            as_of=iso_seconds(START + second),
            coins=list(prices),
            price=list(prices.values()),
            quote_currency=["USD" if price else None for price in prices.values()],
            venues=[2 if price else 0 for price in prices.values()],
            log_return=list(changes if log_returns is None else log_returns),
            masked=[],
            source=source,
        )
    )
    return _record("returns", second, value)


def _record(codec: Codec, offset: int, value: bytes) -> DerivedRecord:
    return derived_record(codec, place(offset, codec), value)


def value_of(record: DerivedRecord) -> bytes:
    """Return a record as it stands in Kafka."""
    match record.value:
        case Bars() | Indicators():
            return encode_bars(record.value)
        case Returns():
            return encode_returns(record.value)
        case CorrelationBlock():
            return encode_block(record.value)
