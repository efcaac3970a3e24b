"""The audit of `indicators` of a source: every row from its archived bars.

Candles change bars that are there already, and bars of which indicators are published again. A
row must be what one of the states gives that the bars had between the end of its own bar and
that of the next one; without candles there is one such state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pandas as pd

from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.topics import BARS, INDICATORS
from services.audit.audit_bars import LENGTHS, SERIES
from services.audit.audited_source import AuditedSource
from services.audit.derived_rows import Rows, times
from services.audit.found import TopicFound, compare, differences
from services.audit.indicators import FIGURES, ROW_BARS, figures, row_of
from services.audit.pieces import Floats

_PRICES = ("high", "low", "close", "volume", "quote_volume")
# A candle that changes these alone makes the bar's indicators be published again as well.
_BESIDE = ("n", "first_trade", "last_trade", "coverage", "source")
_LOOKBACK = (ROW_BARS + 1) * LENGTHS["1m"]


class _Bars:
    """The versions of one market's bars of an interval, in the order of the log."""

    def __init__(self, rows: pd.DataFrame, length: int, is_whole: bool) -> None:
        self._number = (rows["as_of"] // length).to_numpy(np.int64)
        self._offset = rows["offset"].to_numpy(np.int64)
        self._values = {name: rows[name].to_numpy(np.float64) for name in _PRICES}
        self._oldest = int(self._number.min()) if len(rows) else 0
        self._is_whole = is_whole
        self.closed_live = {
            int(number) for number in self._number[(rows["source"] == "live").to_numpy()]
        }

    def has(self, number: int) -> bool:
        """Return whether there is such a bar."""
        return bool((self._number == number).any())

    def states(self, number: int) -> Iterator[tuple[bool, dict[str, Floats]]]:
        """Yield the rows that may stand behind the indicators at a bar.

        Each with whether it follows from what is held; one that may begin earlier does not.
        """
        first = self._offset[self._number == number].min()
        later = self._offset[self._number > number]
        # The next bar is published when it closes; what is changed afterwards tells of that.
        stop = later[later > first].min() if (later > first).any() else np.iinfo(np.int64).max
        within = (self._number > number - ROW_BARS) & (self._number <= number)
        changes = self._offset[within & (self._offset > first) & (self._offset < stop)]
        for bound in np.unique(np.append(changes, first)).tolist():
            chosen = np.flatnonzero(within & (self._offset <= bound))
            place = self._number[chosen] - (number - ROW_BARS + 1)
            bars = {name: np.full(ROW_BARS, np.nan) for name in _PRICES}
            for name, column in self._values.items():
                # Of several versions of a bar the last one in the log counts.
                bars[name][place] = column[chosen]
            start, row = row_of(bars)
            begins = number - ROW_BARS + 1 + start
            is_known = self._is_whole or begins > self._oldest or start == 0
            yield is_known or start == ROW_BARS, row


class IndicatorsAudit:
    """The audit of one source; slices are taken in their order."""

    def __init__(self, source: AuditedSource) -> None:
        """Have read nothing yet."""
        self._source = source
        start = source.start
        self._end = min(source.end, (source.reached(INDICATORS.name) or start) + 1)
        self._read_to = start - _LOOKBACK
        last_bar = source.reached(BARS.name, self._read_to)
        self._known_to = start if last_bar is None else last_bar + 1
        self._is_whole = source.archive.is_whole(BARS.name, source.partition, self._read_to)
        self._bars: dict[tuple[str, str], pd.DataFrame] = {}

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        until = min(until, self._end)
        if until <= begin:
            return
        self._read(until)
        columns = (*SERIES, *FIGURES, "source")
        told = self._source.rows(INDICATORS.name, begin, until, columns)
        # Of rows with other values `_compare` says whether candles may have changed them.
        Rows(told.once.iloc[:0], told.repeated, told.twice).tell_copies(found, SERIES)
        rows = told.once[told.once["as_of"] < self._known_to]
        found.pass_over("later than the bars that are archived", len(told.once) - len(rows))
        published = {(str(k[0]), str(k[1])): g for k, g in rows.groupby(["market", "interval"])}
        for key in sorted({*published, *self._bars}):
            market, interval = key
            self._compare(
                f"{market} {interval}",
                cast(BarInterval, interval),
                (begin, until),
                self._bars.get(key, rows.iloc[:0]),
                published.get(key, rows.iloc[:0]),
                found,
            )

    def _read(self, until: int) -> None:
        """Read the bars up to `until`; of every interval the newest ones are kept."""
        columns = (*SERIES, *_PRICES, *_BESIDE)
        rows = self._source.rows(BARS.name, self._read_to, until, columns).once
        self._read_to = until
        for (market, interval), new in rows.groupby(["market", "interval"]):
            key = (str(market), str(interval))
            held = self._bars.get(key)
            both = new if held is None else pd.concat([held, new], ignore_index=True)
            reach = (ROW_BARS + 1) * LENGTHS[cast(BarInterval, interval)] + 2 * LENGTHS["1h"]
            both = both[both["as_of"] >= until - reach]
            self._bars[key] = both.sort_values(["offset", "row"], ignore_index=True)

    def _compare(
        self,
        name: str,
        interval: BarInterval,
        span: tuple[int, int],
        bars: pd.DataFrame,
        rows: pd.DataFrame,
        found: TopicFound,
    ) -> None:
        length = LENGTHS[interval]
        if not len(bars):
            found.extra.take(name, times(rows))
            return
        versions = _Bars(bars, length, self._is_whole)
        ends = np.array(sorted(versions.closed_live), np.int64)
        ends = ends[(ends * length >= span[0]) & (ends * length < span[1])] * length
        if interval != "1m":
            # The last record of an archive may be followed by one that is not archived yet.
            ends = ends[ends < self._end - 1]
        found.missing.take(name, np.setdiff1d(ends, rows["as_of"]))
        at: list[int] = []
        published: list[dict[str, float]] = []
        expected: list[dict[str, float]] = []
        has_bar = np.array(
            [at % length == 0 and versions.has(at // length) for at in times(rows).tolist()],
            np.bool_,
        )
        found.extra.take(name, times(rows[~has_bar]))
        rows = rows[has_bar]
        for as_of, same in rows[rows.duplicated("as_of", keep=False)].groupby("as_of"):
            # As often as candles changed the bars, and no more.
            states = sum(1 for _ in versions.states(int(str(as_of)) // length))
            found.doubled.take(name, times(same)[states:])
        for row in rows.to_dict("records"):
            number = int(row["as_of"]) // length
            mine = {figure: float(row[figure]) for figure in FIGURES}
            best = _closest(mine, versions.states(number), INTERVAL_SECONDS[interval])
            if best is None:
                found.pass_over("the bars that are held begin later", 1)
                continue
            at.append(int(row["as_of"]))
            published.append(mine)
            expected.append(best)
        if at:
            compare(found, name, np.array(at), _columns(published), _columns(expected))


def _closest(
    published: dict[str, float],
    states: Iterator[tuple[bool, dict[str, Floats]]],
    interval_s: int,
) -> dict[str, float] | None:
    """Return the figures of the state nearest to a row; None where the archive begins too late."""
    values = np.array(list(published.values()))
    best: dict[str, float] | None = None
    least = np.inf
    for is_known, row in states:
        if not is_known:
            return None
        found = figures(row, interval_s)
        apart = float(differences(values, np.array(list(found.values()))).max())
        if best is None or apart < least:
            best, least = found, apart
    return best


def _columns(rows: list[dict[str, float]]) -> dict[str, Floats]:
    return {name: np.array([row[name] for row in rows]) for name in FIGURES}
