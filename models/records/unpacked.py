"""Packed records as people read them: one object a market or tick, in the public field names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from models.markets import coin_of
from models.records.bars import Bars, Indicators, decode_bars, decode_indicators
from models.records.bursts import (
    QuoteBurst,
    TickFlag,
    TradeBurst,
    decode_quotes,
    decode_trades,
)
from models.records.correlations import decode_block
from models.records.spreads import Spreads, decode_spreads
from models.times import iso_nanoseconds
from models.topics import Codec

Unpacked = dict[str, Any]

_OF_THE_RECORD = ("version", "exchange", "partition", "as_of", "markets", "windows")
_SPREAD_COLUMNS = [name for name in Spreads.__struct_fields__ if name not in _OF_THE_RECORD]


def unpack(codec: Codec, value: bytes) -> Iterator[Unpacked]:
    """Yield the objects of a Kafka value.

    Raises:
        RecordError: the value is no burst.
        msgspec.DecodeError: the value is no record of its topic.
    """
    return _UNPACK[codec](value)


def spread_objects(spreads: Spreads) -> Iterator[Unpacked]:
    """Yield one spread a market, as the public interface shows it."""
    columns = {name: getattr(spreads, name) for name in _SPREAD_COLUMNS}
    windows = {label: msgspec.structs.asdict(window) for label, window in spreads.windows.items()}
    for i, market in enumerate(spreads.markets):
        shown: Unpacked = {
            "market": market,
            "exchange": spreads.exchange,
            "coin": coin_of(market),
            "quote_currency": market.rpartition("-")[2],
            "as_of": spreads.as_of,
        }
        shown |= {name: column[i] for name, column in columns.items()}
        shown["windows"] = {
            label: {name: column[i] for name, column in window.items()}
            for label, window in windows.items()
        }
        yield shown


def bar_objects(bars: Bars) -> Iterator[Unpacked]:
    """Yield one bar a market; the times of its trades are ISO-8601 with nanoseconds."""
    for row in _market_objects(bars):
        for name in ("first_trade", "last_trade"):
            row[name] = None if row[name] is None else iso_nanoseconds(row[name])
        yield row


def indicator_objects(record: Indicators) -> Iterator[Unpacked]:
    """Yield one object of indicators a market."""
    return _market_objects(record)


def _market_objects(record: Bars | Indicators) -> Iterator[Unpacked]:
    fields = msgspec.structs.asdict(record)
    columns = {name: field for name, field in fields.items() if isinstance(field, list)}
    times: Unpacked = {name: fields[name] for name in ("start", "as_of") if name in fields}
    for i, market in enumerate(record.markets):
        yield {
            "market": market,
            "exchange": record.exchange,
            "coin": coin_of(market),
            "quote_currency": market.rpartition("-")[2],
            "interval": record.interval,
            **times,
            **{name: column[i] for name, column in columns.items() if name != "markets"},
        }


def quote_objects(burst: QuoteBurst) -> Iterator[Unpacked]:
    """Yield one object a quote; times are ISO-8601 with nanoseconds, a missing side is null."""
    columns = {
        name: np.frombuffer(getattr(burst, name), "<f8").tolist()
        for name in ("bid", "bid_size", "ask", "ask_size")
    }
    for i, tick in enumerate(_ticks(burst)):
        # NaN, a missing side, is not equal to itself.
        tick |= {name: x if (x := column[i]) == x else None for name, column in columns.items()}
        yield tick


def trade_objects(burst: TradeBurst) -> Iterator[Unpacked]:
    """Yield one object a trade; `side` is the taker's."""
    price = np.frombuffer(burst.price, "<f8").tolist()
    size = np.frombuffer(burst.size, "<f8").tolist()
    side = np.frombuffer(burst.side, "i1").tolist()
    trade_id = np.frombuffer(burst.trade_id, "<i8").tolist()
    for i, tick in enumerate(_ticks(burst)):
        yield tick | {
            "price": price[i],
            "size": size[i],
            "side": "buy" if side[i] > 0 else "sell",
            "trade_id": trade_id[i],
        }


def _ticks(burst: QuoteBurst | TradeBurst) -> Iterator[Unpacked]:
    times = np.frombuffer(burst.time, "<i8").tolist()
    received = np.frombuffer(burst.receive_time, "<i8").tolist()
    own = np.frombuffer(burst.own_time, "<i8").tolist()
    codes = burst.market_codes().tolist()
    for i, flags in enumerate(burst.flags):
        yield {
            "market": burst.markets[codes[i]],
            "time": iso_nanoseconds(times[i]),
            "receive_time": iso_nanoseconds(received[i]),
            "own_time": iso_nanoseconds(own[i]) if own[i] else None,
            "flags": [str(flag.name).lower() for flag in TickFlag if flag & flags],
        }


def _burst_objects(burst: QuoteBurst | TradeBurst, ticks: Iterator[Unpacked]) -> Iterator[Unpacked]:
    """Yield the ticks, then the unseen intervals; of an empty burst its clock alone."""
    yield from ticks
    for row in burst.unseen:
        yield {
            "market": row.market,
            "unseen": row.reason,
            "start": iso_nanoseconds(row.start),
            "end": iso_nanoseconds(row.end),
        }
    if not len(burst) and not burst.unseen:
        yield {
            "exchange": burst.exchange,
            "clock": iso_nanoseconds(burst.clock),
            "epoch": burst.epoch,
        }


def _quotes(value: bytes) -> Iterator[Unpacked]:
    burst = decode_quotes(value)
    return _burst_objects(burst, quote_objects(burst))


def _trades(value: bytes) -> Iterator[Unpacked]:
    burst = decode_trades(value)
    return _burst_objects(burst, trade_objects(burst))


def _correlations(value: bytes) -> Iterator[Unpacked]:
    """Yield one object a row of the matrix; an undefined cell is null."""
    block = decode_block(value)
    cells = {name: block.column(name).tolist() for name in ("matrix", "n", "n_effective")}
    sigma = np.frombuffer(block.sigma, "<f8").tolist()
    for row in range(block.rows):
        coin = block.first_row + row
        yield {
            "table": block.table,
            "as_of": block.as_of,
            "coin": block.coins[coin],
            "sigma": sigma[coin] if sigma[coin] == sigma[coin] else None,
            "coins": block.coins,
            **{
                name: [cell if cell == cell else None for cell in rows[row]]
                for name, rows in cells.items()
            },
        }


def _json(value: bytes) -> Iterator[Unpacked]:
    yield msgspec.json.decode(value, type=dict[str, Any])


_RAW = ("pane", "carried", "kept")


def _step(value: bytes) -> Iterator[Unpacked]:
    """Yield a state record without its columns, which are no text."""
    step = msgspec.msgpack.decode(value, type=dict[str, Any])
    yield {name: part for name, part in step.items() if name not in _RAW}


_UNPACK: dict[Codec, Callable[[bytes], Iterator[Unpacked]]] = {
    "quotes": _quotes,
    "trades": _trades,
    "spreads": lambda value: spread_objects(decode_spreads(value)),
    "bars": lambda value: bar_objects(decode_bars(value)),
    "indicators": lambda value: indicator_objects(decode_indicators(value)),
    "correlations": _correlations,
    "json": _json,
    "step": _step,
}
