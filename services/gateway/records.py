"""Kafka records as the gateway takes them: decoded, and reduced to what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from models.errors import RecordError
from models.records.bars import Bars, Indicators, decode_bars, decode_indicators
from models.records.bursts import QuoteBurst, TradeBurst, Unseen, decode_quotes, decode_trades
from models.records.correlations import (
    WHY,
    CorrelationBlock,
    Returns,
    decode_block,
    decode_returns,
)
from models.records.reference import Coin, Feed, Market, decode_coin, decode_feed, decode_market
from models.records.spreads import decode_spreads
from models.records.unpacked import spread_objects
from models.times import seconds_of

Codec = Literal[
    "quotes", "trades", "spreads", "bars", "indicators", "returns", "correlations", "coins",
    "markets", "feeds",
]  # fmt: skip


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a record stands; `timestamp` is when it was produced, in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class Quote(msgspec.Struct, frozen=True, gc=False):
    """One quote; times are nanoseconds, a missing side is NaN."""

    time: int
    receive_time: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    flags: int


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade, in row `row` of its burst; `side` is the taker's, ±1."""

    market: str
    row: int
    time: int
    receive_time: int
    price: float
    size: float
    side: int
    trade_id: int
    flags: int


class BurstHead(msgspec.Struct, frozen=True):
    """What bursts of both kinds say about their source."""

    exchange: str
    partition: int
    epoch: int
    clock: int
    unseen: list[Unseen]


class QuoteRecord(msgspec.Struct, frozen=True):
    """A burst of quotes: the last one of each of its markets."""

    place: Place
    head: BurstHead
    quotes: dict[str, Quote]


class TradeRecord(msgspec.Struct, frozen=True):
    """A burst of trades: all of them."""

    place: Place
    head: BurstHead
    trades: list[Trade]


class SpreadRecord(msgspec.Struct, frozen=True):
    """One source's spreads of one second: figures by market as the public interface shows them.

    `as_of` is in seconds since the epoch, `value` the record as it came.
    """

    place: Place
    exchange: str
    partition: int
    as_of: int
    figures: dict[str, dict[str, Any]]
    value: bytes


class ReferenceRecord(msgspec.Struct, frozen=True):
    """A coin, market or feed; None where it was taken away."""

    place: Place
    key: str
    record: Coin | Market | Feed | None


Derived = Bars | Indicators | Returns | CorrelationBlock


class DerivedRecord(msgspec.Struct, frozen=True):
    """Figures as an agent published them."""

    place: Place
    value: Derived


Record = QuoteRecord | TradeRecord | SpreadRecord | DerivedRecord | ReferenceRecord

_DERIVED: dict[Codec, Callable[[bytes], Derived]] = {
    "bars": decode_bars,
    "indicators": decode_indicators,
    "returns": decode_returns,
    "correlations": decode_block,
}


def decode(codec: Codec, place: Place, key: bytes | None, value: bytes | None) -> Record:
    """Return what a Kafka record says.

    Raises:
        RecordError: it cannot be read.
    """
    try:
        if codec == "quotes":
            return _quotes(place, decode_quotes(value))
        if codec == "trades":
            return _trades(place, decode_trades(value))
        if codec == "spreads":
            return spread_record(place, value or b"")
        if codec in _DERIVED:
            return derived_record(codec, place, value or b"")
        return _reference(codec, place, key, value)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, LookupError) as error:
        raise RecordError("undecodable_record", f"expected one of {codec}, {error}") from error


def spread_record(place: Place, value: bytes) -> SpreadRecord:
    """Return a record of the topic `spreads`.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    spreads = decode_spreads(value)
    return SpreadRecord(
        place=place,
        exchange=spreads.exchange,
        partition=spreads.partition,
        as_of=seconds_of(spreads.as_of),
        figures={figures["market"]: figures for figures in spread_objects(spreads)},
        value=value,
    )


def derived_record(codec: Codec, place: Place, value: bytes) -> DerivedRecord:
    """Return a record of the topics `bars`, `indicators`, `returns` or `correlations`.

    Raises:
        msgspec.DecodeError: the value is none.
        ValueError: its columns are not of one length.
    """
    derived = _DERIVED[codec](value)
    if isinstance(derived, CorrelationBlock):
        _check_block(derived)
    else:
        _check_columns(derived)
    return DerivedRecord(place, derived)


def _check_columns(derived: Bars | Indicators | Returns) -> None:
    """A record with a column too short would end the reader later, where nobody can say why."""
    rows = derived.coins if isinstance(derived, Returns) else derived.markets
    for name in derived.__struct_fields__:
        column = getattr(derived, name)
        if isinstance(column, list) and name != "masked" and len(column) != len(rows):
            raise ValueError(f"expected {len(rows)} of {name}, was {len(column)}")
    seconds_of(derived.as_of)


def _check_block(block: CorrelationBlock) -> None:
    coins, rows = len(block.coins), block.rows
    seconds_of(block.as_of)
    if not coins:
        return  # a table without coins yet
    shapes = [block.column(name).shape for name in ("matrix", "n", "n_rest", "n_effective", "why")]
    vectors = [len(column) // 8 for column in (block.sigma, block.ticks)]
    if {*shapes} != {(rows, coins)} or {*vectors} != {coins} or not rows:
        raise ValueError(f"expected columns of {rows} rows and {coins} coins, was {shapes}")
    if not (0 <= block.block < block.blocks and 0 <= block.first_row <= coins - rows):
        raise ValueError(f"expected rows within the matrix, was {rows} from {block.first_row}")
    if block.column("why").max() >= len(WHY):
        raise ValueError(f"expected why below {len(WHY)}, was {block.column('why').max()}")


def _head(burst: QuoteBurst | TradeBurst) -> BurstHead:
    return BurstHead(burst.exchange, burst.partition, burst.epoch, burst.clock, burst.unseen)


def _quotes(place: Place, burst: QuoteBurst) -> QuoteRecord:
    quotes: dict[str, Quote] = {}
    if len(burst):
        times = np.frombuffer(burst.time, "<i8")
        received = np.frombuffer(burst.receive_time, "<i8")
        columns = [
            np.frombuffer(column, "<f8")
            for column in (burst.bid, burst.bid_size, burst.ask, burst.ask_size)
        ]
        # By event time, equal times as they came; of a market the last one stays.
        order = np.argsort(times, kind="stable")
        codes = burst.market_codes()[order]
        for code, i in dict(zip(codes.tolist(), order.tolist(), strict=True)).items():
            bid, bid_size, ask, ask_size = (float(column[i]) for column in columns)
            quotes[burst.markets[code]] = Quote(
                int(times[i]), int(received[i]), bid, bid_size, ask, ask_size, burst.flags[i]
            )
    return QuoteRecord(place, _head(burst), quotes)


def _trades(place: Place, burst: TradeBurst) -> TradeRecord:
    columns = zip(
        burst.market_codes().tolist(),
        np.frombuffer(burst.time, "<i8").tolist(),
        np.frombuffer(burst.receive_time, "<i8").tolist(),
        np.frombuffer(burst.price, "<f8").tolist(),
        np.frombuffer(burst.size, "<f8").tolist(),
        np.frombuffer(burst.side, "i1").tolist(),
        np.frombuffer(burst.trade_id, "<i8").tolist(),
        burst.flags,
        strict=True,
    )
    trades = [Trade(burst.markets[code], row, *rest) for row, (code, *rest) in enumerate(columns)]
    return TradeRecord(place, _head(burst), trades)


_REFERENCE: dict[Codec, Callable[[bytes], Coin | Market | Feed]] = {
    "coins": decode_coin,
    "markets": decode_market,
    "feeds": decode_feed,
}


def _reference(codec: Codec, place: Place, key: bytes | None, value: bytes | None) -> Record:
    if key is None:
        raise RecordError("undecodable_record", f"expected a key in {codec}, was none")
    record = None if value is None else _REFERENCE[codec](value)
    return ReferenceRecord(place, key.decode(), record)
