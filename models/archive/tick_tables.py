"""Bursts as tables of ticks, unseen intervals and the bursts themselves, and back.

Times are nanoseconds, UTC. What is null in a table is NaN in a burst, or 0 for `own_time`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.archive.prices import price_text
from models.markets import coin_of
from models.records.bursts import (
    EVERY_MARKET,
    SCHEMA_VERSION,
    QuoteBurst,
    TradeBurst,
    Unseen,
    UnseenReason,
)

Kind = Literal["quotes", "trades"]
KINDS: tuple[Kind, ...] = get_args(Kind)

NANOSECONDS = pa.timestamp("ns", "UTC")
_TIMES = ("time", "receive_time", "own_time")
_FLOATS: dict[Kind, tuple[str, ...]] = {
    "quotes": ("bid", "bid_size", "ask", "ask_size"),
    "trades": ("price", "size"),
}
_TEXTS: dict[Kind, tuple[str, ...]] = {"quotes": ("bid", "ask"), "trades": ("price",)}
_OTHERS: dict[Kind, dict[str, str]] = {"quotes": {}, "trades": {"side": "i1", "trade_id": "<i8"}}
_ORDER: dict[Kind, tuple[str, ...]] = {
    "quotes": (*_FLOATS["quotes"], "bid_text", "ask_text"),
    "trades": ("price", "size", "price_text", "side", "trade_id"),
}


class ArchivedBurst(msgspec.Struct, frozen=True):
    """A burst and where it lies in its topic; `timestamp` is Kafka's, in milliseconds."""

    offset: int
    timestamp: int
    burst: QuoteBurst | TradeBurst


def tick_table(kind: Kind, bursts: Sequence[ArchivedBurst]) -> pa.Table:
    """Return one row a tick, sorted by market, time, offset and row (its place in the burst)."""
    names = sorted({name for each in bursts for name in each.burst.markets})
    codes = {name: code for code, name in enumerate(names)}
    counts = [len(each.burst) for each in bursts]
    market = _joined(
        [
            np.array([codes[name] for name in each.burst.markets], np.int32)[
                each.burst.market_codes()
            ]
            for each in bursts
        ],
        np.int32,
    )
    offset = np.repeat(np.array([each.offset for each in bursts], np.int64), counts)
    row = _joined([np.arange(count, dtype=np.int32) for count in counts], np.int32)
    columns = {
        name: _joined([np.frombuffer(getattr(each.burst, name), kept) for each in bursts], kept)
        for name, kept in _wire_columns(kind).items()
    }
    order = np.lexsort((row, offset, columns["time"], market))
    columns = {name: column[order] for name, column in columns.items()}
    market = market[order]
    arrays: dict[str, pa.Array] = {
        "market": _strings(names, market),
        "coin": _strings([coin_of(name) for name in names], market),
    }
    for name in _TIMES:
        mask = columns[name] == 0 if name == "own_time" else None
        arrays[name] = pa.array(columns[name], NANOSECONDS, mask=mask)
    for name in _ORDER[kind]:
        if name.endswith("_text"):
            arrays[name] = price_text(columns[name.removesuffix("_text")])
        elif name in _FLOATS[kind]:
            arrays[name] = pa.array(columns[name], mask=np.isnan(columns[name]))
        else:
            arrays[name] = pa.array(columns[name])
    arrays["flags"] = pa.array(columns["flags"])
    arrays["offset"] = pa.array(offset[order])
    arrays["row"] = pa.array(row[order])
    return pa.table(arrays)


def unseen_table(bursts: Sequence[ArchivedBurst]) -> pa.Table:
    """Return one row an unseen interval, sorted by market, start, offset and row."""
    rows = sorted(
        (unseen.market, unseen.start, each.offset, row, unseen.end, unseen.reason)
        for each in bursts
        for row, unseen in enumerate(each.burst.unseen)
    )
    market, start, offset, row, end, reason = zip(*rows, strict=True) if rows else ((),) * 6
    return pa.table(
        {
            "market": pa.array(market, pa.string()),
            "start": pa.array(start, NANOSECONDS),
            "end": pa.array(end, NANOSECONDS),
            "reason": pa.array(reason, pa.string()),
            "offset": pa.array(offset, pa.int64()),
            "row": pa.array(row, pa.int32()),
        }
    )


def burst_table(bursts: Sequence[ArchivedBurst]) -> pa.Table:
    """Return one row a burst, in the order of their offsets."""
    return pa.table(
        {
            "offset": pa.array([each.offset for each in bursts], pa.int64()),
            "timestamp": pa.array([each.timestamp for each in bursts], pa.timestamp("ms", "UTC")),
            "epoch": pa.array([each.burst.epoch for each in bursts], pa.int64()),
            "clock": pa.array([each.burst.clock for each in bursts], NANOSECONDS),
            "ticks": pa.array([len(each.burst) for each in bursts], pa.int32()),
            "unseen": pa.array([len(each.burst.unseen) for each in bursts], pa.int32()),
            "markets": pa.array([each.burst.markets for each in bursts], pa.list_(pa.string())),
        }
    )


def enclosing_times(bursts: Sequence[ArchivedBurst]) -> tuple[int, int] | None:
    """Return the least and the greatest time of ticks, unseen intervals and clocks."""
    times: list[int] = []
    for each in bursts:
        times.append(each.burst.clock)
        ticks = np.frombuffer(each.burst.time, "<i8")
        if len(ticks):
            times += (int(ticks.min()), int(ticks.max()))
        for unseen in each.burst.unseen:
            times += (unseen.start, unseen.end)
    return (min(times), max(times)) if times else None


def bursts_of_tables(
    kind: Kind,
    exchange: str,
    partition: int,
    bursts: pa.Table,
    ticks: pa.Table | None,
    unseen: pa.Table | None,
) -> Iterator[ArchivedBurst]:
    """Yield the bursts that these tables were made from, in the order of their offsets."""
    columns, names = _ticks_in_order(kind, ticks)
    intervals = _unseen_in_order(unseen)
    tick = interval = 0
    for row in _rows(bursts):
        ticks_end, unseen_end = tick + row["ticks"], interval + row["unseen"]
        codes = {name: code for code, name in enumerate(row["markets"])}
        made: dict[str, Any] = {
            name: column[tick:ticks_end].tobytes() for name, column in columns.items()
        }
        made["market"] = np.array([codes[name] for name in names[tick:ticks_end]], "<u2").tobytes()
        struct = QuoteBurst if kind == "quotes" else TradeBurst
        burst = struct(
            version=SCHEMA_VERSION,
            exchange=exchange,
            partition=partition,
            epoch=row["epoch"],
            clock=row["clock"],
            markets=row["markets"],
            unseen=intervals[interval:unseen_end],
            **made,
        )
        yield ArchivedBurst(row["offset"], row["timestamp"], burst)
        tick, interval = ticks_end, unseen_end


def is_market(name: str, exchange: str) -> bool:
    """Return whether this can be the name of a market of the exchange."""
    return name.startswith(f"{exchange}:") and "-" in name[len(exchange) + 1 :]


def is_unseen_market(name: str, exchange: str) -> bool:
    """Return whether an unseen interval of the exchange can have this as its market."""
    return name == EVERY_MARKET or is_market(name, exchange)


def _wire_columns(kind: Kind) -> dict[str, str]:
    return {
        **dict.fromkeys(_TIMES, "<i8"),
        **dict.fromkeys(_FLOATS[kind], "<f8"),
        **_OTHERS[kind],
        "flags": "u1",
    }


def _joined(parts: list[NDArray[Any]], kept: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, kept)


def _strings(names: list[str], codes: NDArray[np.int32]) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(codes))


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.int64())


def _rows(bursts: pa.Table) -> Iterator[dict[str, Any]]:
    plain = bursts.select(["offset", "epoch", "ticks", "unseen", "markets"])
    for name in ("timestamp", "clock"):
        plain = plain.append_column(name, _integers(bursts[name]))
    plain = plain.sort_by("offset")
    for batch in plain.to_batches():
        yield from batch.to_pylist()


def _ticks_in_order(
    kind: Kind, ticks: pa.Table | None
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    wanted = _wire_columns(kind)
    if ticks is None:
        return {name: np.zeros(0, kept) for name, kept in wanted.items()}, []
    ticks = ticks.sort_by([("offset", "ascending"), ("row", "ascending")])
    columns: dict[str, NDArray[Any]] = {}
    for name, kept in wanted.items():
        column = _integers(ticks[name]) if name in _TIMES else ticks[name]
        if column.null_count:
            column = pc.fill_null(column, 0 if name in _TIMES else float("nan"))
        columns[name] = column.to_numpy().astype(kept)
    return columns, ticks["market"].to_pylist()


def _unseen_in_order(unseen: pa.Table | None) -> list[Unseen]:
    if unseen is None:
        return []
    unseen = unseen.sort_by([("offset", "ascending"), ("row", "ascending")])
    return [
        Unseen(market, start, end, cast(UnseenReason, reason))
        for market, start, end, reason in zip(
            unseen["market"].to_pylist(),
            _integers(unseen["start"]).to_pylist(),
            _integers(unseen["end"]).to_pylist(),
            unseen["reason"].to_pylist(),
            strict=True,
        )
    ]
