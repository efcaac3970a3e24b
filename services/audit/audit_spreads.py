"""The audit of `spreads`: every row of a source, from its archived ticks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.archive.tick_tables import KINDS
from models.topics import SPREADS
from services.audit import baseline
from services.audit.audited_source import AuditedSource
from services.audit.derived_rows import times
from services.audit.found import TopicFound, compare
from services.audit.frames import of_market
from services.audit.pieces import SECOND, Times
from services.audit.spreads import FIGURES, HISTORY, MarketPast

LOOKBACK = 3600 * SECOND
"""How far before what figures reach back to the quote in force is looked for."""

NO_QUOTE_HELD = "the quote in force is older than the ticks that are held"
AFTER_TICKS = "later than the ticks that are archived"
_SHARPEST = 1e-6
_SHARPEST_SLOPE = 1e-5


class SpreadsAudit:
    """The audit of one source; slices are taken in their order."""

    def __init__(self, source: AuditedSource) -> None:
        """Have read nothing yet."""
        since = source.start - HISTORY - LOOKBACK
        self._source = source
        clock = source.clock(KINDS)
        self._known_to = clock + 1
        last = source.reached(SPREADS.name)
        self._end = min(source.end, self._known_to, (clock if last is None else last) + 1)
        self._quotes = source.ticks("quotes", since, source.market)
        self._trades = source.ticks("trades", since, source.market)

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        published = self._published(begin, until, found)
        until = min(until, self._end)
        quotes = self._quotes.advance(begin - HISTORY, until)
        trades = self._trades.advance(begin - HISTORY, until)
        at = np.arange(-(-begin // SECOND) * SECOND, until, SECOND, dtype=np.int64)
        of_trades = dict(list(trades.ticks.groupby("market")))
        none = trades.ticks.iloc[:0]
        for name, ticks in quotes.ticks.groupby("market"):
            market = str(name)
            past = MarketPast(
                ticks,
                of_trades.get(market, none),
                of_market(quotes.unseen, market),
                of_market(trades.unseen, market),
                quotes.first[market] if quotes.is_whole else None,
            )
            rows = published.pop(market, None)
            if len(at):
                _compare(found, market, at, rows, past)
        for market, rows in published.items():
            # Of these the archive holds no quote; where it holds all there were, none is right.
            if quotes.is_whole:
                found.extra.take(market, times(rows))
            else:
                found.pass_over(NO_QUOTE_HELD, len(rows))

    def _published(self, start: int, end: int, found: TopicFound) -> dict[str, pd.DataFrame]:
        """Return by market the archived rows of a slice that the ticks reach."""
        rows = self._source.rows(SPREADS.name, start, end, ("market", *FIGURES))
        rows.tell_copies(found, ("market",))
        told = rows.once[rows.once["as_of"] < self._known_to]
        found.pass_over(AFTER_TICKS, len(rows.once) - len(told))
        return {str(name): each for name, each in told.groupby("market")}


def _compare(
    found: TopicFound, market: str, at: Times, rows: pd.DataFrame | None, past: MarketPast
) -> None:
    """Compare the rows of one market at the seconds of a slice."""
    has_rows, is_known = past.has_rows(at), past.is_known(at, "bid")
    as_of = np.zeros(0, np.int64) if rows is None else rows["as_of"].to_numpy(np.int64)
    place = (as_of - at[0]) // SECOND
    found.missing.take(market, np.setdiff1d(at[has_rows & is_known], as_of))
    found.extra.take(market, as_of[is_known[place] & ~has_rows[place]])
    found.pass_over(NO_QUOTE_HELD, int(np.count_nonzero(~is_known[place])))
    common = is_known[place] & has_rows[place]
    if rows is None or not common.any():
        return
    chosen, place = rows[common], place[common]
    expected = {name: column[place] for name, column in past.figures(at).items()}
    # What σ divides by is rounded as well: below it a difference of z is none of the line's.
    sigma = expected.pop("x_sigma")
    scale = np.fmax(1.0, _SHARPEST / sigma)
    # ln φ of a slow one is nearly 0, and what φ is rounded by is so much more of it.
    half_life = np.abs(expected["half_life_s"])
    slowness = half_life / (baseline.PANE / SECOND * np.log(2.0))
    slow = half_life * np.fmax(1.0, _SHARPEST_SLOPE / sigma * slowness)
    compare(
        found,
        market,
        at[place],
        {name: chosen[name].to_numpy(np.float64) for name in expected},
        expected,
        {name: past.is_known(at[place], name) for name in expected},
        {"z": scale, "half_life_s": np.fmax(scale, slow)},
    )
