"""What the spread agent makes of a source's seconds: panes, what is carried, records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.runtime.panes import Pane
from agents.runtime.source import ClosedSecond, Kept, Output, Rings
from agents.runtime.source_log import SECOND, SourceLog
from agents.spread.baseline import Baseline
from agents.spread.rows import Rows, encode_rows
from agents.spread.state import (
    LONG_AGO,
    Carried,
    decode_carried,
    decode_trades,
    encode_carried,
    encode_trades,
)
from agents.spread.tables import SpreadTables
from models.records.bursts import EVERY_MARKET, TickFlag, UnseenReason
from models.records.closes import CLOSES_VERSION, Closes, encode_closes
from models.statistics.deviation import Deviation
from models.statistics.mean_reversion import MeanReversion
from models.statistics.quoted_size import quoted_size
from models.statistics.quoted_spread import quoted_spread
from models.statistics.quotes_in_force import (
    CarriedQuotes,
    Quotes,
    QuotesInForce,
    quotes_in_force,
)
from models.statistics.seen_time import SeenTime, seen_time
from models.statistics.trade_costs import PaidTrades, Trades, effective, realised, with_mids
from models.statistics.trade_range import trade_range
from models.times import iso_seconds
from models.topics import CLOSES, SPREADS


class SpreadFigures:
    """The figures of one source."""

    def __init__(self, exchange: str, partition: int, tables: SpreadTables) -> None:
        """Know no market yet."""
        self.markets: list[str] = []
        self._exchange = exchange
        self._partition = partition
        self._tables = tables
        self._carried = Carried(CarriedQuotes.none(), LONG_AGO, LONG_AGO)
        self._covered: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._pending: dict[int, PaidTrades] = {}
        self._baseline = Baseline(tables)

    def close(
        self, index: int, logs: Mapping[str, SourceLog], rings: Rings, publish: bool
    ) -> ClosedSecond:
        """Close second number `index`."""
        begin, end = index * SECOND, (index + 1) * SECOND
        quotes_log, trades_log = (logs[f"{self._exchange}_{kind}"] for kind in ("quotes", "trades"))
        # Both hand out their ticks first: with them come new markets.
        arrived, trades = _quotes(quotes_log, end), _trades(trades_log, end)
        width = len(self.markets)
        away = quotes_log.unseen_within(begin, end)
        quotes = quotes_in_force(begin, end, self.markets, arrived, away, self._carried.quotes)
        seen = seen_time(
            begin, end, self.markets, quotes.after.first, trades_log.unseen_within(begin, end)
        )
        paid = with_mids(trades, quotes)
        pane = self._pane(index, quotes, trades, paid, seen)
        rings.panes.put(index, pane)
        as_of = index + 1
        first = rings.panes.merged(as_of, self._tables.windows[0].panes, width)
        covered = first["good_ns"] > 0
        before = np.zeros(width, np.bool_)
        before[: len(self._covered)] = self._covered
        self._covered = covered
        wanted = np.flatnonzero(covered | before | quotes.first_quoted)
        self._carried = Carried(
            quotes.after,
            as_of if len(wanted) else self._carried.last_row,
            index if len(trades.time) else self._carried.last_trade,
        )
        outputs: list[Output] = []
        if publish and self._remembered(as_of):
            longer = self._tables.windows[1:]
            windows = [first, *(rings.panes.merged(as_of, each.panes, width) for each in longer)]
            outputs = self._outputs(as_of, wanted, quotes, seen, windows, rings, pane["n"])
        return ClosedSecond(
            pane,
            outputs,
            encode_trades(paid, begin),
            self._baseline.finished(as_of, rings.panes, quotes.after.first),
        )

    def idle(self, index: int, logs: Mapping[str, SourceLog]) -> bool:
        """Return whether nothing is left in any window and no quote in force is seen."""
        carried = self._carried
        if self._remembered(index + 1):
            return False
        if index - carried.last_trade <= max(each.seconds for each in self._tables.windows):
            return False
        begin = index * SECOND
        rows = logs[f"{self._exchange}_quotes"].unseen_within(begin, begin + 1)
        away = {row.market for row in rows if row.start <= begin < row.end}
        alive = carried.quotes.known
        alive[list(carried.quotes.dead)] = False
        names = {self.markets[code] for code in np.flatnonzero(alive)}
        return EVERY_MARKET in away or names <= away

    def carried(self) -> bytes:
        """Return the quotes in force, and when there was a row and a trade last."""
        return encode_carried(self._carried)

    def restore(self, carried: bytes, next_index: int, rings: Rings, kept: Sequence[Kept]) -> None:
        """Take back what is carried, which markets had a row, and the trades to be resolved."""
        self._carried = decode_carried(carried)
        window = self._tables.windows[0].seconds
        self._covered = rings.panes.merged(next_index, window, len(self.markets))["good_ns"] > 0
        for each in kept:
            trades = decode_trades(each.value, each.index * SECOND, each.codes)
            if trades is not None and each.index >= next_index - max(self._tables.horizons):
                self._pending[each.index] = trades

    def _pane(
        self,
        index: int,
        quotes: QuotesInForce,
        trades: Trades,
        paid: PaidTrades,
        seen: SeenTime,
    ) -> Pane:
        """Return the pane of a second; trades of former seconds find their later mids in it."""
        width = len(self.markets)
        pane = {
            **quoted_spread(quotes),
            **quoted_size(quotes),
            **trade_range(trades, width),
            "trades_seen_ns": seen.seen_ns,
            **effective(paid, width),
        }
        for horizon in self._tables.horizons:
            pane |= realised(self._pending.get(index - horizon), horizon, quotes)
        if len(paid):
            self._pending[index] = paid
        for second in [each for each in self._pending if each <= index - self._longest]:
            del self._pending[second]
        return pane

    @property
    def _longest(self) -> int:
        return max(self._tables.horizons)

    def _outputs(
        self,
        as_of: int,
        wanted: NDArray[np.int64],
        quotes: QuotesInForce,
        seen: SeenTime,
        windows: list[dict[str, NDArray[np.float64]]],
        rings: Rings,
        n: NDArray[np.float64],
    ) -> list[Output]:
        """Return the records of a second; `wanted` are the markets that have a row."""
        key = f"{self._exchange}|{self._partition}|{as_of}".encode()
        chosen = np.array(sorted(wanted.tolist(), key=self.markets.__getitem__), np.int64)
        names = [self.markets[code] for code in chosen.tolist()]
        outputs: list[Output] = []
        mid: list[float | None] = []
        if names:
            spread, reversion = self._baseline.at(as_of, rings.longer, len(self.markets))
            after = quotes.after
            rows = Rows(
                exchange=self._exchange,
                partition=self._partition,
                as_of=as_of,
                markets=names,
                bid=after.bid[chosen],
                ask=after.ask[chosen],
                bid_size=after.bid_size[chosen],
                ask_size=after.ask_size[chosen],
                first=after.first[chosen],
                unseen=_reasons(quotes.unseen_at_end, chosen),
                trades_unseen=_reasons(seen.unseen_at_end, chosen),
                windows=[
                    {name: column[chosen] for name, column in window.items()} for window in windows
                ],
                baseline=Deviation(spread.mean[chosen], spread.deviation[chosen], spread.n[chosen]),
                reversion=MeanReversion(reversion.slope[chosen], reversion.pairs[chosen]),
            )
            value, mid = encode_rows(rows, self._tables)
            outputs.append(Output(SPREADS.name, key, value))
        closes = Closes(
            version=CLOSES_VERSION,
            exchange=self._exchange,
            partition=self._partition,
            as_of=iso_seconds(as_of),
            markets=names,
            mid=mid,
            n=n[chosen].astype(np.int64).tolist(),
        )
        outputs.append(Output(CLOSES.name, key, encode_closes(closes), every_partition=True))
        return outputs

    def _remembered(self, as_of: int) -> bool:
        """Return whether there was a row so lately that something may be left in a window."""
        return as_of - self._carried.last_row <= self._tables.forget_after


def _quotes(log: SourceLog, end: int) -> Quotes:
    """Return the quotes before `end`."""
    market, columns = log.ticks_before(end)
    names = ("time", "bid", "ask", "bid_size", "ask_size")
    return Quotes(market, *(columns[name] for name in names))


def _trades(log: SourceLog, end: int) -> Trades:
    """Return the trades before `end` that are not late."""
    market, columns = log.ticks_before(end)
    kept = (columns["flags"] & TickFlag.LATE) == 0
    return Trades(
        market[kept], columns["time"][kept], columns["price"][kept], columns["side"][kept]
    )


def _reasons(
    found: Mapping[int, UnseenReason], chosen: NDArray[np.int64]
) -> list[UnseenReason | None]:
    return [found.get(code) for code in chosen.tolist()] if found else [None] * len(chosen)
