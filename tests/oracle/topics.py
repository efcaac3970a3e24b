"""The oracle from the raw tick topics: for a live system, whose frames nobody kept.

Bursts are read with a decoder of the oracle's own; bursts of an epoch below the highest seen are
not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

from tests.oracle.rows import Row, figures_by_market, rows_in
from tests.oracle.wire import SECOND

if TYPE_CHECKING:
    from tests.oracle.clocks import Source
    from tests.oracle.figures import Figures

Values = Mapping[tuple[str, str, int], Iterable[bytes]]
"""Kafka values in offset order, by (exchange, kind, partition)."""

_Interval = tuple[str, int, str, str, int, int, str]
"""Exchange, partition, kind, market, start, end, reason."""

_LATE = 1
"""The bit of a late tick in `flags`."""

_UNSEEN = ["kind", "market", "start", "end", "reason"]


def rows_from_bursts(values: Values) -> tuple[list[Row], dict[Source, int]]:
    """Return every row up to what the clocks of both topics allow, and that by source (ns)."""
    found, final = figures_from_bursts(values)
    return [row for _, figures in found for row in rows_in(figures)], final


def figures_from_bursts(values: Values) -> tuple[list[tuple[Source, Figures]], dict[Source, int]]:
    """Return the same as figures by market, of which rows and closes are made."""
    tables: dict[str, list[pd.DataFrame]] = {"quotes": [], "trades": []}
    unseen: list[_Interval] = []
    clocks: dict[Source, dict[str, int]] = {}
    for (exchange, kind, partition), records in values.items():
        for burst in _bursts(records):
            clock = clocks.setdefault((exchange, partition), {})
            clock[kind] = max(burst["clock"], clock.get(kind, 0))
            if burst["time"]:
                read = _quotes if kind == "quotes" else _trades
                tables[kind].append(read(burst, partition))
            # A lasting interval without length is one of a nanosecond here.
            unseen += [
                (exchange, partition, kind, market, start, max(end, start + 1), reason)
                for market, start, end, reason in burst["unseen"]
            ]
    final = {
        source: min(by_kind.get("quotes", 0), by_kind.get("trades", 0)) // SECOND * SECOND
        for source, by_kind in clocks.items()
    }
    if not tables["quotes"]:
        return [], final
    quotes = pd.concat(tables["quotes"], ignore_index=True)
    trades = pd.concat(tables["trades"], ignore_index=True) if tables["trades"] else None
    return list(figures_by_market(quotes, _expanded(unseen, quotes), final, trades)), final


def trades_from_bursts(values: Iterable[bytes]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trades and the unseen intervals of one source, in the order of the log.

    Columns are market, time, price, size, late; and market (`*` for all), start, end, reason.
    """
    bursts = list(_bursts(values))
    trades = [_trades(burst, 0) for burst in bursts if burst["time"]]
    unseen = [tuple(row) for burst in bursts for row in burst["unseen"]]
    empty = pd.DataFrame(columns=["market", "time", "price", "size", "late"])
    return (
        pd.concat(trades, ignore_index=True) if trades else empty,
        pd.DataFrame(unseen, columns=_UNSEEN[1:]),
    )


def _bursts(records: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what counts: nothing of an epoch that has ended."""
    highest = 0
    for record in records:
        burst: dict[str, Any] = msgspec.msgpack.decode(record)
        if burst["epoch"] >= highest:
            highest = burst["epoch"]
            yield burst


def _places(burst: dict[str, Any], partition: int) -> dict[str, Any]:
    return {
        "market": np.array(burst["markets"])[np.frombuffer(burst["market"], "<u2")],
        "partition": partition,
        "time": np.frombuffer(burst["time"], "<i8"),
    }


def _quotes(burst: dict[str, Any], partition: int) -> pd.DataFrame:
    names = ("bid", "bid_size", "ask", "ask_size")
    sides = {name: np.frombuffer(burst[name], "<f8") for name in names}
    bid, ask = sides["bid"], sides["ask"]
    flags = {"crossed": bid > ask, "one_sided": np.isnan(bid) | np.isnan(ask)}
    return pd.DataFrame(_places(burst, partition) | sides | flags)


def _trades(burst: dict[str, Any], partition: int) -> pd.DataFrame:
    return pd.DataFrame(
        _places(burst, partition)
        | {
            "price": np.frombuffer(burst["price"], "<f8"),
            "size": np.frombuffer(burst["size"], "<f8"),
            "side": np.frombuffer(burst["side"], "i1"),
            "late": (np.frombuffer(burst["flags"], "u1") & _LATE) > 0,
        }
    )


def _expanded(unseen: list[_Interval], quotes: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals, one with `*` as one of every quoted market of its source."""
    known = quotes[["market", "partition"]].drop_duplicates()
    of_source: dict[tuple[str, int], list[str]] = {}
    for market, partition in known.itertuples(index=False):
        of_source.setdefault((str(market).partition(":")[0], int(partition)), []).append(market)
    rows = [
        (kind, name, start, end, reason)
        for exchange, partition, kind, market, start, end, reason in unseen
        for name in (of_source.get((exchange, partition), []) if market == "*" else [market])
    ]
    return pd.DataFrame(rows, columns=_UNSEEN)
