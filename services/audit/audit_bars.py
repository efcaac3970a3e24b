"""The audit of `bars` of a source: minutes from its archived trades, longer ones from minutes."""

from __future__ import annotations

from typing import cast

import msgspec
import numpy as np
import pandas as pd

from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.topics import BARS
from services.audit.audit_spreads import AFTER_TICKS
from services.audit.audited_source import AuditedSource
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
from services.audit.derived_rows import Rows
from services.audit.found import TopicFound, compare
from services.audit.frames import of_market
from services.audit.pieces import SECOND, Times
from services.audit.trades import TradePast

_HISTORY = (LONGEST_UNSEEN + 2) * MINUTE
_LOOKBACK = 3600 * SECOND
_COLUMNS = ("market", "interval", *FIGURES, *TIMES, "source")
SERIES = ("market", "interval")
FROM_CANDLES = "made from candles"
UNTRADED = "before the market's first trade that is held"
PARTS: dict[BarInterval, BarInterval] = {"5m": "1m", "1h": "1m", "1d": "1h"}
LENGTHS = {interval: seconds * SECOND for interval, seconds in INTERVAL_SECONDS.items()}


class BarsAudit:
    """The audit of one source; slices are taken in their order."""

    def __init__(self, source: AuditedSource) -> None:
        """Have read nothing yet."""
        self._source = source
        start = source.start
        self._trades = source.ticks("trades", start - start % MINUTE - _HISTORY - _LOOKBACK)
        self._is_whole = source.archive.is_whole(BARS.name, source.partition)
        self._known_to = source.clock(["trades"]) + 1
        self._end = min(source.end, self._known_to, (source.reached(BARS.name) or start) + 1)
        self._with_candles: set[str] = set()
        self._extra: set[tuple[str, str, int]] = set()

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        longest = LENGTHS["1h"]
        found_rows = self._rows(begin - longest, until)
        self._tell_copies(found_rows, begin, found)
        rows = found_rows.once
        late = (rows["as_of"] >= begin) & (rows["as_of"] >= self._known_to)
        found.pass_over(AFTER_TICKS, int(np.count_nonzero(late)))
        rows = rows[~late]
        until = min(until, self._end)
        mine = rows[rows["as_of"] >= begin]
        self._take_minutes(begin, until, mine[mine["interval"] == "1m"], found)
        for interval, of in PARTS.items():
            parts = rows[rows["interval"] == of]
            wanted = mine[mine["interval"] == interval]
            if interval == "1d":
                day = LENGTHS["1d"]
                if (until - 1) // day == (begin - 1) // day and not len(wanted):
                    continue
                parts = self._rows(begin - day, until, of).once
            # No longer bar is to be made of what should not be there.
            keys = zip(parts["market"], parts["interval"], parts["start"], strict=True)
            parts = parts[[key not in self._extra for key in keys]] if self._extra else parts
            self._take_longer(interval, begin, until, parts, wanted, found)

    def _exceed(self, name: str, interval: str, starts: Times, found: TopicFound) -> None:
        self._extra |= {(name, interval, int(start)) for start in starts}
        length = LENGTHS[cast(BarInterval, interval)]
        found.extra.take(f"{name} {interval}", starts + length)

    def _rows(self, begin: int, until: int, interval: str | None = None) -> Rows:
        rows = self._source.rows(BARS.name, begin, until, _COLUMNS, interval)
        once = rows.once.copy()
        # Without a row it would be a column of texts.
        lengths = once["interval"].map(LENGTHS).astype(np.int64)
        once["start"] = once["as_of"] - lengths
        for name in TIMES:
            once[name] += lengths
        return msgspec.structs.replace(rows, once=once)

    def _tell_copies(self, rows: Rows, begin: int, found: TopicFound) -> None:
        # What candles have changed is published anew; a live bar is not.
        once = rows.once[rows.once["source"] == "live"]
        in_slice = (each[each["as_of"] >= begin] for each in (once, rows.repeated, rows.twice))
        Rows(*in_slice).tell_copies(found, SERIES)

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
        only = self._source.market
        for name in sorted(names if only is None else names & {only}):
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
        found.pass_over(FROM_CANDLES, len(rows) - len(live))
        if len(live) < len(rows):
            self._with_candles.add(name)
        found.missing.take(f"{name} 1m", np.setdiff1d(expected.index, rows["start"]) + MINUTE)
        known = live["start"].isin(expected.index)
        unexpected = live[~known]
        # A market that has had candles has bars before its first trade; and it may have had
        # trades before the archive begins.
        untraded = unexpected["n"].fillna(0) == 0
        excused = untraded & (name in self._with_candles or not self._trades.held.is_whole)
        found.pass_over(UNTRADED, int(excused.sum()))
        self._exceed(name, "1m", unexpected["start"][~excused].to_numpy(np.int64), found)
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
        found.pass_over("replaced by a later row of the same bar", len(rows) - len(kept))
        kept = kept.set_index(["market", "start"])
        if not self._is_whole:
            oldest = int(parts["start"].min()) if len(parts) else until
            known = kept.index.get_level_values("start") >= oldest
            found.pass_over("shorter bars begin later", int(np.count_nonzero(~known)))
            kept = kept[known]
            bars = bars[bars.index.get_level_values("start") >= oldest]
        for name, start in kept.index.difference(bars.index):
            self._exceed(str(name), interval, np.array([start]), found)
        for name, start in bars.index.difference(kept.index):
            # The last record of an archive may be followed by one that is not archived yet.
            if start + length < self._end - 1:
                found.missing.take(f"{name} {interval}", np.array([start + length]))
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
