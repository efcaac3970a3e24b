"""The audit of `bars` of a source: minutes from its archived trades, longer ones from minutes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.topics import BARS
from services.audit.bars import (
    FIGURES,
    LONGEST_UNSEEN,
    MINUTE,
    TIMES,
    having,
    merged,
    minutes_of_trades,
    source_codes,
)
from services.audit.derived_rows import derived_frame, reached
from services.audit.found import TopicFound, compare
from services.audit.frames import of_market
from services.audit.pieces import SECOND
from services.audit.snapshot import Snapshot
from services.audit.source_past import TopicPast
from services.audit.trades import TradePast

_HISTORY = (LONGEST_UNSEEN + 2) * MINUTE
_LOOKBACK = 3600 * SECOND
_COLUMNS = ("market", "interval", *FIGURES, *TIMES, "source")
PARTS: dict[BarInterval, BarInterval] = {"5m": "1m", "1h": "1m", "1d": "1h"}
LENGTHS = {interval: seconds * SECOND for interval, seconds in INTERVAL_SECONDS.items()}


class BarsAudit:
    """The audit of one source; slices are taken in their order."""

    def __init__(
        self,
        archive: Snapshot,
        source: tuple[str, int],
        start: int,
        end: int,
        market: str | None,
    ) -> None:
        """Audit rows in `[start, end)`, ns."""
        self._archive = archive
        self._source = source
        self._market = market
        since = start - start % MINUTE - _HISTORY - _LOOKBACK
        self._trades = TopicPast(archive, source, "trades", since)
        self._is_whole = archive.is_whole(BARS.name, source[1])
        self._end = min(end, (reached(archive, BARS.name, source, start, end) or start) + 1)
        self._with_candles: set[str] = set()

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        until = min(until, self._end)
        longest = LENGTHS["1h"]
        rows = self._rows(begin - longest, until)
        mine = rows[rows["as_of"] >= begin]
        self._take_minutes(begin, until, mine[mine["interval"] == "1m"], found)
        for interval, of in PARTS.items():
            parts = rows[rows["interval"] == of]
            wanted = mine[mine["interval"] == interval]
            if interval == "1d":
                day = LENGTHS["1d"]
                if (until - 1) // day == (begin - 1) // day:
                    continue
                parts = self._rows(begin - day, until, of)
            self._take_longer(interval, begin, until, parts, wanted, found)

    def _rows(self, begin: int, until: int, interval: str | None = None) -> pd.DataFrame:
        exchange, partition = self._source
        equal = {"exchange": exchange, "market": self._market, "interval": interval}
        rows = derived_frame(self._archive, BARS.name, partition, begin, until, _COLUMNS, equal)
        lengths = rows["interval"].map(LENGTHS)
        rows["start"] = rows["as_of"] - lengths
        for name in TIMES:
            rows[name] += lengths
        return rows

    def _take_minutes(self, begin: int, until: int, rows: pd.DataFrame, found: TopicFound) -> None:
        # The minutes that end in the slice.
        begin = -(-begin // MINUTE) * MINUTE - MINUTE
        last = (until - 1) // MINUTE * MINUTE
        if last <= begin:
            return
        held = self._trades.advance(begin - _HISTORY, last)
        first = min(held.first.values(), default=None) if held.is_whole else None
        of_trades = dict(list(held.ticks.groupby("market")))
        published = {str(name): each for name, each in rows.groupby("market")}
        names = {*held.first, *published}
        for name in sorted(names if self._market is None else names & {self._market}):
            trades = TradePast(
                of_trades.get(name, held.ticks.iloc[:0]), of_market(held.unseen, name)
            )
            bars = minutes_of_trades(trades, begin - _HISTORY, last, first)
            bars["has_bar"] = having(bars, held.first.get(name))
            bars = bars[bars["start"] >= begin]
            self._compare_minutes(name, bars, published.get(name, rows.iloc[:0]), found)

    def _compare_minutes(
        self, name: str, bars: pd.DataFrame, rows: pd.DataFrame, found: TopicFound
    ) -> None:
        """Compare the minutes of one market; what candles made is beyond the archive."""
        expected = bars[bars["has_bar"]].set_index("start")
        live = rows[rows["source"] == "live"]
        found.beyond += len(rows) - len(live)
        if len(live) < len(rows):
            self._with_candles.add(name)
        found.miss(f"{name} 1m", np.setdiff1d(expected.index, rows["start"]) + MINUTE)
        known = live["start"].isin(expected.index)
        unexpected = live[~known]
        # A market that has had candles has bars before its first trade; and it may have had
        # trades before the archive begins.
        untraded = unexpected["n"].fillna(0) == 0
        excused = untraded & (name in self._with_candles or not self._trades.held.is_whole)
        found.beyond += int(excused.sum())
        found.exceed(f"{name} 1m", unexpected["as_of"][~excused].to_numpy(np.int64))
        live = live[known]
        if len(live):
            _compare(found, f"{name} 1m", live, expected.loc[live["start"]], FIGURES)

    def _take_longer(
        self,
        interval: BarInterval,
        begin: int,
        until: int,
        parts: pd.DataFrame,
        rows: pd.DataFrame,
        found: TopicFound,
    ) -> None:
        length, count = LENGTHS[interval], LENGTHS[interval] // LENGTHS[PARTS[interval]]
        bars = merged(newest(parts), length, count)
        stop = bars["start"] + length
        bars = bars[(stop >= begin) & (stop < until)].set_index(["market", "start"])
        kept = newest(rows)
        found.beyond += len(rows) - len(kept)
        kept = kept.set_index(["market", "start"])
        if not self._is_whole:
            oldest = int(parts["start"].min()) if len(parts) else until
            known = kept.index.get_level_values("start") >= oldest
            found.beyond += int(np.count_nonzero(~known))
            kept = kept[known]
            bars = bars[bars.index.get_level_values("start") >= oldest]
        for name, start in kept.index.difference(bars.index):
            found.exceed(f"{name} {interval}", np.array([start + length]))
        for name, start in bars.index.difference(kept.index):
            # The last record of an archive may be followed by one that is not archived yet.
            if start + length < self._end - 1:
                found.miss(f"{name} {interval}", np.array([start + length]))
        both = kept.index.intersection(bars.index)
        published, expected = kept.loc[both], bars.loc[both]
        published["source"] = source_codes(published["source"])
        for name, rows_of in published.groupby(level="market"):
            _compare(
                found,
                f"{name} {interval}",
                rows_of,
                expected.loc[rows_of.index],
                (*FIGURES, "source"),
            )


def newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return of every bar the row that was published last."""
    ordered = rows.sort_values(["offset", "row"])
    return ordered.drop_duplicates(["market", "interval", "start"], keep="last")


def _compare(
    found: TopicFound,
    market: str,
    rows: pd.DataFrame,
    expected: pd.DataFrame,
    figures: tuple[str, ...],
) -> None:
    names = (*figures, *TIMES)
    compare(
        found,
        market,
        rows["as_of"].to_numpy(np.int64),
        {name: rows[name].to_numpy(np.float64) for name in names},
        {name: expected[name].to_numpy(np.float64) for name in names},
        exact=TIMES,
    )
