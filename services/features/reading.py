"""The archive's rows as series, one a market or coin."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from agents.archive.store import Store
from models.markets import coin_of
from models.partition import partition_of
from models.topics import BARS, INDICATORS, RETURNS, SPREADS
from services.features.as_of import Track
from services.history.entries import EntryIndex
from services.history.parquet import scanned

_NANOSECONDS = 1_000
_TIME = pa.timestamp("us", "UTC")


class FeatureReader:
    """What features are made from. Ranges are `[start, end)` in microseconds since the epoch.

    Of rows that are there twice for one time the first of the log counts: it is what was known
    then. So a bar that candles have filled later stays as it was.

    Methods raise StoreError where the archive cannot be read, InvariantError where it holds what
    none does.
    """

    def __init__(self, store: Store, partitions: int) -> None:
        """`partitions` is that of the topics."""
        self._store = store
        self._partitions = partitions
        self._index = EntryIndex(store)

    def spreads(
        self, markets: Sequence[str], columns: Sequence[str], start: int, end: int
    ) -> dict[str, Track]:
        """Return the spread rows of markets."""
        rows = self._rows(SPREADS.name, self._homes(markets), _of(markets), columns, start, end)
        return {name: Track(_times(table), _numbers(table, columns)) for name, table in rows}

    def indicators(
        self, markets: Sequence[str], interval: str, columns: Sequence[str], length: int,
        start: int, end: int,
    ) -> dict[str, Track]:  # fmt: skip
        """Return the indicators of markets; `length` is the interval in microseconds.

        The first one of a market that rests on candles came when those did, at the latest when
        the next bar was over. From then on they came with their bars.
        """
        narrowed = _of(markets) & (ds.field("interval") == interval)
        wanted = [*columns, "source"]
        homes = self._homes(markets)
        tracks = {}
        for name, table in self._rows(INDICATORS.name, homes, narrowed, wanted, start, end):
            times = _times(table)
            is_live = np.array(table["source"].to_pylist()) == "live"
            follows = np.concatenate([[False], np.diff(times) == length])
            known = np.where(is_live | follows, times, times + length)
            tracks[name] = Track(times, _numbers(table, columns), known)
        return tracks

    def bars(
        self, markets: Sequence[str], interval: str, start: int, end: int
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the bars of markets that were made from live trades alone, as rows."""
        narrowed = _of(markets) & (ds.field("interval") == interval)
        columns = [
            "start", "open", "high", "low", "close", "volume", "quote_volume", "n",
            "first_trade", "last_trade", "coverage", "source",
        ]  # fmt: skip
        homes = self._homes(markets)
        found = {}
        for name, table in self._rows(BARS.name, homes, narrowed, columns, start, end):
            live = table.filter(pc.field("source") == "live")
            for place, field in enumerate(live.schema):
                if pa.types.is_timestamp(field.type):
                    whole = pc.cast(live.column(place), pa.int64())
                    live = live.set_column(place, field.name, whole)
            found[name] = live.to_pylist()
        return found

    def returns(
        self, coins: Sequence[str], table_name: str, start: int, end: int
    ) -> dict[str, Track]:
        """Return the returns of coins in a correlation table, those made from candles left out."""
        narrowed = ds.field("coin").isin(list(coins)) & (ds.field("table") == table_name)
        narrowed &= ds.field("source") == "live"
        homes = [partition_of(table_name, self._partitions)]
        rows = self._rows(RETURNS.name, homes, narrowed, ["log_return"], start, end, "coin")
        return {name: Track(_times(table), _numbers(table, ["log_return"])) for name, table in rows}

    def _homes(self, markets: Sequence[str]) -> list[int]:
        """Return the partitions of markets."""
        return sorted({partition_of(coin_of(market), self._partitions) for market in markets})

    def _rows(
        self,
        topic: str,
        partitions: Sequence[int],
        narrowed: ds.Expression,
        columns: Sequence[str],
        start: int,
        end: int,
        key: str = "market",
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows by key, by `as_of`, one each."""
        begin, stop = (pa.scalar(at, pa.int64()).cast(_TIME) for at in (start, end))
        wanted = narrowed & (ds.field("as_of") >= begin) & (ds.field("as_of") < stop)
        batches = [
            batch
            for partition in partitions
            for chunk in self._index.of(topic, partition, topic).touching(
                start * _NANOSECONDS, end * _NANOSECONDS
            )
            for batch in scanned(self._store, chunk, wanted, [key, "as_of", "offset", *columns])
        ]
        if not batches:
            return
        tables = [pa.Table.from_batches([batch]) for batch in batches]
        table = pa.concat_tables(tables, promote_options="default")
        table = table.sort_by([(key, "ascending"), ("as_of", "ascending"), ("offset", "ascending")])
        keys, times = table[key].combine_chunks(), _times(table)
        begins = np.concatenate([[True], np.asarray(pc.not_equal(keys[1:], keys[:-1]))])
        is_first = begins | np.concatenate([[True], np.diff(times) != 0])
        edges = np.append(np.flatnonzero(begins), len(table))
        for begin, stop in itertools.pairwise(edges):
            part = table.slice(begin, stop - begin).filter(pa.array(is_first[begin:stop]))
            yield keys[int(begin)].as_py(), part


def _of(markets: Sequence[str]) -> ds.Expression:
    return ds.field("market").isin(list(markets))


def _times(table: pa.Table) -> Any:
    return pc.cast(table["as_of"], pa.int64()).to_numpy()


def _numbers(table: pa.Table, columns: Sequence[str]) -> Mapping[str, Any]:
    """Return columns as numbers; null is NaN."""
    return {name: pc.cast(table[name], pa.float64()).to_numpy() for name in columns}
