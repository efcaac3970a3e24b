"""Compares the archived `spreads` with what the raw archive says they should be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from models.archive.manifest import Entry
from models.archive.tick_tables import Kind
from models.records.bursts import EVERY_MARKET
from models.topics import SPREADS
from services.archive.reader import ArchiveReader
from services.audit.figures import FIGURES, LONGEST, SECOND, Figures, MarketPast

SLICE = 3600 * SECOND
LOOKBACK = 3600 * SECOND
"""How far before a window the quote in force at its beginning is looked for."""

_TICKS = {
    "quotes": ["market", "time", "bid", "bid_size", "ask", "ask_size", "flags", "offset", "row"],
    "trades": ["market", "time", "price", "flags", "offset", "row"],
}
_UNSEEN = ["market", "start", "end", "reason", "offset"]


class Audited(msgspec.Struct):
    """What an audit has found.

    `largest` is by figure the largest relative difference (absolute below 1), infinite where one
    of the two is null; `missing` and `extra` are market and second of rows that only one side has.
    `beyond` counts the rows for which the archive does not reach back far enough.
    """

    rows: int = 0
    beyond: int = 0
    largest: dict[str, float] = msgspec.field(default_factory=lambda: dict.fromkeys(FIGURES, 0.0))
    missing: list[tuple[str, int]] = []
    extra: list[tuple[str, int]] = []

    def is_good(self, tolerance: float) -> bool:
        """Return whether something was compared, no row is missing or extra, and all agree."""
        within = all(difference <= tolerance for difference in self.largest.values())
        return self.rows > 0 and within and not self.missing and not self.extra


def audit(
    reader: ArchiveReader,
    exchanges: Iterable[str],
    partitions: int,
    start: int,
    end: int,
    market: str | None = None,
) -> Audited:
    """Audit the rows with an `as_of` in `[start, end)`, of a market or of all.

    Memory is bounded by an hour of one exchange and partition and what lies before it. At the end
    of the archive a source is audited up to the last second that it has published.

    Raises:
        OSError: the store cannot be read.
        InvariantError: the archive holds what none does.
    """
    found = Audited()
    sources = [(exchange, partition) for exchange in exchanges for partition in range(partitions)]
    ends = {source: min(end, _reached(reader, source, start, end) + 1) for source in sources}
    for begin in range(start, end, SLICE):
        until = min(end, begin + SLICE)
        published = _published(reader, begin, until, market)
        for source in sources:
            last = min(until, ends[source])
            _audit_source(reader, source, published.get(source, {}), begin, last, market, found)
    return found


def _audit_source(
    reader: ArchiveReader,
    source: tuple[str, int],
    published: dict[str, dict[int, list[dict[str, Any]]]],
    start: int,
    end: int,
    market: str | None,
    found: Audited,
) -> None:
    since = start - LONGEST - LOOKBACK
    ticks = {
        kind: _ticks(reader, source, kind, since, end, market)
        for kind in cast(tuple[Kind, ...], ("quotes", "trades"))
    }
    unseen = _unseen(reader, source, since, end)
    is_from_the_beginning = _begins(reader, source) >= since
    trades = dict(list(ticks["trades"].groupby("market")))
    without = ticks["trades"].iloc[:0]
    for name, quotes in ticks["quotes"].groupby("market"):
        mine = unseen[(unseen["market"] == name) | (unseen["market"] == EVERY_MARKET)]
        past = MarketPast(quotes, trades.get(name, without), mine)
        rows = published.pop(str(name), {})
        for at in range(-(-start // SECOND) * SECOND, end, SECOND):
            if not is_from_the_beginning and past.time[0] > at - LONGEST - SECOND:
                # What was in force before is not known.
                found.beyond += len(rows.get(at, ()))
            elif past.has_row(at, is_from_the_beginning):
                _compare(found, str(name), at, rows.get(at, []), past.figures(at))
            else:
                found.extra += [(str(name), at) for _ in rows.get(at, ())]
    for name, rows in published.items():
        if is_from_the_beginning:
            found.extra += [(name, at) for at in rows]
        else:
            found.beyond += sum(map(len, rows.values()))


def _compare(
    found: Audited, market: str, at: int, rows: list[dict[str, Any]], expected: Figures
) -> None:
    if not rows:
        found.missing.append((market, at))
    for row in rows:
        found.rows += 1
        for name in FIGURES:
            difference = _difference(row[name], expected[name])
            found.largest[name] = max(found.largest[name], difference)


def _difference(published: float | None, expected: float | None) -> float:
    if published is None or expected is None:
        return 0.0 if published is expected else math.inf
    return abs(published - expected) / max(1.0, abs(expected))


def _published(
    reader: ArchiveReader, start: int, end: int, market: str | None
) -> dict[tuple[str, int], dict[str, dict[int, list[dict[str, Any]]]]]:
    """Return the archived rows by source, market and second."""
    rows: dict[tuple[str, int], dict[str, dict[int, list[dict[str, Any]]]]] = {}
    for entry in reader.entries(SPREADS.name, start, end):
        table = reader.table(entry, SPREADS.name)
        if table is None:
            continue
        if market is not None:
            table = table.filter(pc.field("market") == market)
        seconds = pc.multiply(pc.cast(table["as_of"], pa.int64()), 1_000).to_pylist()
        for at, row in zip(seconds, table.to_pylist(), strict=True):
            if start <= at < end:
                of_source = rows.setdefault((row["exchange"], entry.partition), {})
                of_source.setdefault(row["market"], {}).setdefault(at, []).append(row)
    return rows


def _reached(reader: ArchiveReader, source: tuple[str, int], start: int, end: int) -> int:
    """Return the last second that a source has published, else how far its ticks reach."""
    exchange, partition = source
    for entry in reversed(list(reader.entries(SPREADS.name, start, end))):
        table = reader.table(entry, SPREADS.name) if entry.partition == partition else None
        if table is None:
            continue
        mine = table.filter(pc.field("exchange") == exchange)
        if mine.num_rows:
            return int(pc.max(pc.cast(mine["as_of"], pa.int64())).as_py()) * 1_000
    return min(
        max(
            (
                entry.greatest_time or 0
                for entry in reader.entries(f"{exchange}_{kind}", start, end)
                if entry.partition == partition
            ),
            default=0,
        )
        for kind in ("quotes", "trades")
    )


def _ticks(
    reader: ArchiveReader,
    source: tuple[str, int],
    kind: Kind,
    start: int,
    end: int,
    market: str | None,
) -> pd.DataFrame:
    """Return ticks of one source in event-time order, equal times in the order of the log."""
    tables = []
    for entry, owned in _entries(reader, source, kind, start, end):
        table = reader.table(entry, kind)
        if table is None:
            continue
        table = table.select(_TICKS[kind])
        table = table.set_column(1, "time", pc.cast(table["time"], pa.int64()))
        wanted = (pc.field("time") >= start) & (pc.field("time") < end)
        if market is not None:
            wanted &= pc.field("market") == market
        tables.append(table.filter(wanted & pc.field("offset").isin(owned)))
    return _frame(tables, _TICKS[kind]).sort_values(["time", "offset", "row"])


def _unseen(reader: ArchiveReader, source: tuple[str, int], start: int, end: int) -> pd.DataFrame:
    """Return the unseen intervals of one source's quotes that reach into this time."""
    tables = []
    for entry, owned in _entries(reader, source, "quotes", start, end):
        table = reader.table(entry, "unseen")
        if table is None:
            continue
        table = table.select(_UNSEEN)
        for at, name in ((1, "start"), (2, "end")):
            table = table.set_column(at, name, pc.cast(table[name], pa.int64()))
        wanted = (pc.field("start") < end) & (pc.field("end") >= start)
        tables.append(table.filter(wanted & pc.field("offset").isin(owned)))
    return _frame(tables, _UNSEEN)


def _entries(
    reader: ArchiveReader, source: tuple[str, int], kind: Kind, start: int, end: int
) -> Iterator[tuple[Entry, list[int]]]:
    """Yield entries with the offsets of their bursts that are not of an owner of the past."""
    exchange, partition = source
    epoch = 0
    for entry in reader.entries(f"{exchange}_{kind}", start, end):
        bursts = reader.table(entry, "bursts") if entry.partition == partition else None
        if bursts is None:
            continue
        epochs = bursts["epoch"].to_numpy()
        newest = np.maximum.accumulate(np.concatenate([[epoch], epochs]))
        epoch = int(newest[-1])
        yield entry, bursts["offset"].to_numpy()[epochs >= newest[1:]].tolist()


def _begins(reader: ArchiveReader, source: tuple[str, int]) -> float:
    """Return the least time that the archive holds of a source's quotes."""
    exchange, partition = source
    topic = f"{exchange}_quotes"
    for name in reader.manifest.names(topic):
        if name.partition == partition:
            least = reader.manifest.entry(topic, name).least_time
            return math.inf if least is None else least
    return math.inf


def _frame(tables: list[pa.Table], columns: list[str]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame({name: np.zeros(0, np.int64) for name in columns})
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame
