"""The oracle from the raw tick topics: for a live system, whose frames nobody kept.

Bursts are read with a decoder of the oracle's own; bursts of an epoch below the highest seen are
not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from tests.oracle.figures import Row, rows_of
from tests.oracle.wire import SECOND

Values = Mapping[tuple[str, str, int], Iterable[bytes]]
"""Kafka values in offset order, by (exchange, kind, partition)."""

_Interval = tuple[str, int, str, int, int, str]
"""Exchange, partition, market, start, end, reason."""

_UNSEEN = ["kind", "market", "start", "end", "reason"]


def rows_from_bursts(values: Values) -> tuple[list[Row], dict[tuple[str, int], int]]:
    """Return every row up to what the clocks of both topics allow, and that by source (ns)."""
    quotes: list[pd.DataFrame] = []
    unseen: list[_Interval] = []
    clocks: dict[tuple[str, int], dict[str, int]] = {}
    for (exchange, kind, partition), records in values.items():
        highest = 0
        for record in records:
            burst: dict[str, Any] = msgspec.msgpack.decode(record)
            if burst["epoch"] < highest:
                continue
            highest = burst["epoch"]
            clock = clocks.setdefault((exchange, partition), {})
            clock[kind] = max(burst["clock"], clock.get(kind, 0))
            if kind == "quotes":
                if burst["time"]:
                    quotes.append(_quotes(burst, partition))
                # A lasting interval without length is one of a nanosecond here.
                unseen += [
                    (exchange, partition, market, start, max(end, start + 1), reason)
                    for market, start, end, reason in burst["unseen"]
                ]
    final = {
        source: min(by_kind.get("quotes", 0), by_kind.get("trades", 0)) // SECOND * SECOND
        for source, by_kind in clocks.items()
    }
    if not quotes:
        return [], final
    all_quotes = pd.concat(quotes, ignore_index=True)
    return rows_of(all_quotes, _expanded(unseen, all_quotes), final), final


def _quotes(burst: dict[str, Any], partition: int) -> pd.DataFrame:
    bid, ask = np.frombuffer(burst["bid"], "<f8"), np.frombuffer(burst["ask"], "<f8")
    one_sided = np.isnan(bid) | np.isnan(ask)
    return pd.DataFrame(
        {
            "market": np.array(burst["markets"])[np.frombuffer(burst["market"], "<u2")],
            "partition": partition,
            "time": np.frombuffer(burst["time"], "<i8"),
            "bid": bid,
            "ask": ask,
            "crossed": bid > ask,
            "one_sided": one_sided,
        }
    )


def _expanded(unseen: list[_Interval], quotes: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals, one with `*` as one of every quoted market of its source."""
    known = quotes[["market", "partition"]].drop_duplicates()
    of_source: dict[tuple[str, int], list[str]] = {}
    for market, partition in known.itertuples(index=False):
        of_source.setdefault((str(market).partition(":")[0], int(partition)), []).append(market)
    rows = [
        ("quotes", name, start, end, reason)
        for exchange, partition, market, start, end, reason in unseen
        for name in (of_source.get((exchange, partition), []) if market == "*" else [market])
    ]
    return pd.DataFrame(rows, columns=_UNSEEN)
