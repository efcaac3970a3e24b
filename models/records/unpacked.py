"""Packed records as people read them: one object a market or tick, in the public field names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from models.markets import coin_of
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


def unpack(codec: Codec, value: bytes) -> Iterator[Unpacked]:
    """Yield the objects of a Kafka value.

    Raises:
        RecordError: the value is no burst.
        msgspec.DecodeError: the value is no record of its topic.
    """
    return _UNPACK[codec](value)


def spread_objects(spreads: Spreads) -> Iterator[Unpacked]:
    """Yield one spread a market, as the public interface shows it."""
    for i, market in enumerate(spreads.markets):
        yield {
            "market": market,
            "exchange": spreads.exchange,
            "coin": coin_of(market),
            "quote_currency": market.rpartition("-")[2],
            "as_of": spreads.as_of,
            "bid": spreads.bid[i],
            "ask": spreads.ask[i],
            "mid": spreads.mid[i],
            "spread": spreads.spread[i],
            "spread_bps": spreads.spread_bps[i],
            "windows": {
                label: {name: column[i] for name, column in msgspec.structs.asdict(window).items()}
                for label, window in spreads.windows.items()
            },
            "stale": spreads.stale[i],
            "reasons": spreads.reasons[i],
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


def _step(value: bytes) -> Iterator[Unpacked]:
    """Yield a state record without its columns, which are no text."""
    step = msgspec.msgpack.decode(value, type=dict[str, Any])
    yield {name: part for name, part in step.items() if name not in ("pane", "carried")}


_UNPACK: dict[Codec, Callable[[bytes], Iterator[Unpacked]]] = {
    "quotes": _quotes,
    "trades": _trades,
    "spreads": lambda value: spread_objects(decode_spreads(value)),
    "correlations": _correlations,
    "json": _json,
    "step": _step,
}
