"""One market's figures at every second it has a row in: sections 6 and 7, as columns.

Everything is first summed second by second, with every piece of constant state cut at whole
seconds; a window is the plain sum, least or greatest of its seconds, each window by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tests.oracle.baseline import FEWEST, FLAT, HALF_HOUR, baseline_at, panes_of
from tests.oracle.effective import HORIZONS, trades_with_mids
from tests.oracle.markets import covered
from tests.oracle.wire import SECOND

if TYPE_CHECKING:
    from tests.oracle.markets import Market, Mask, Texts, Times

WINDOWS = {"15s": 15, "1m": 60, "5m": 300}
WINDOW = 15
# As far before the first quote a window may reach: trades may have come before it.
_BEFORE = max(*WINDOWS.values(), WINDOW + max(HORIZONS))
_BY_TIME = ("spread", "spread_bps", "imbalance", "depth")

Column = NDArray[Any]


@dataclass
class Figures:
    """Columns over the seconds in which a market has a row.

    `seconds` are the rows' `as_of` in seconds. `reasons` has, by path of a value that may be
    null, a text a row: the reason where it is null, else ''. `n_of_second` are the good quotes
    whose time lies in the second that ends at `as_of` (of closes).
    """

    market: str
    seconds: Times
    n_of_second: Column
    values: dict[str, Column] = field(default_factory=dict)
    reasons: dict[str, Texts] = field(default_factory=dict)

    def put(self, path: str, values: Column, *nulls: tuple[Mask, str | Texts]) -> Texts:
        """Take in a column; where masks hold, it is null for the reason of the first that does."""
        reasons = np.full(len(values), "", dtype=object)
        for where, reason in reversed(nulls):
            reasons = np.where(where, reason, reasons)
        null = np.any([where for where, _ in nulls], axis=0) if nulls else reasons != ""
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        assert ((reasons != "") == null).all(), f"{self.market} {path}: null without a reason"
        assert not (missing & ~null).any(), f"{self.market} {path}: nothing, but not null"
        self.values[path] = values
        if nulls:
            self.reasons[path] = reasons
        return reasons


class _Seconds:
    """Sums by second of one market from `start` (a second) on; `at` are the rows' places in them.

    The second of a row is the first one that is not in its windows.
    """

    def __init__(self, market: Market, end: int) -> None:
        self.market = market
        self.start = market.first // SECOND - _BEFORE
        self.count = end - self.start
        whole = (self.start + np.arange(self.count + 1, dtype=np.int64)) * SECOND
        inside = (market.edges > whole[0]) & (market.edges < whole[-1])
        cuts = np.unique(np.concatenate([whole, market.edges[inside]]))
        starts, lengths = cuts[:-1], np.diff(cuts)
        good, place = market.good_at(starts)
        used, weight = place[good], lengths[good]
        second = self._second(starts[good])
        quotes = market.quotes
        self.time = self._sum(second, weight).astype(np.int64)
        self.integrals = {}
        for name in _BY_TIME:
            values = quotes[name].to_numpy(np.float64)[used]
            self.integrals[name] = self._sum(second, np.nan_to_num(values) * weight)
            if name == "imbalance":
                self.sized = self._sum(second, np.where(np.isnan(values), 0, weight))
        spread = quotes["spread"].to_numpy(np.float64)
        counted = quotes["good"].to_numpy(bool) & ~quotes["hidden"].to_numpy(bool)
        counted &= market.times < whole[-1]
        second_of_quote = self._second(market.times[counted])
        self.n = self._sum(second_of_quote).astype(np.int64)
        self.tick_sum = self._sum(second_of_quote, spread[counted])
        both = np.concatenate([second, second_of_quote])
        values = np.concatenate([spread[used], spread[counted]])
        self.least, self.greatest = self._extremes(both, values)
        self._take_trades(whole)

    def _take_trades(self, whole: Times) -> None:
        market = self.market
        trades = trades_with_mids(market)
        times = trades["time"].to_numpy(np.int64)
        trades = trades[(times >= whole[0]) & (times < whole[-1])]
        second = self._second(trades["time"].to_numpy(np.int64))
        self.trades = self._sum(second).astype(np.int64)
        prices = trades["price"].to_numpy(np.float64)
        self.low, self.high = self._extremes(second, prices)
        self.paid = {}
        for name in (column for column in trades.columns if column.endswith("_bps")):
            values = trades[name].to_numpy(np.float64)
            known = ~np.isnan(values)
            sums = self._sum(second[known], values[known])
            self.paid[name] = sums, self._sum(second[known]).astype(np.int64)
        ends = [edge for start, end, _ in market.trades_unseen for edge in (start, end)]
        inner = [edge for edge in (*ends, market.first) if whole[0] < edge < whole[-1]]
        cuts = np.unique(np.concatenate([whole, np.array(inner, np.int64)]))
        starts = cuts[:-1]
        seen = ~covered(starts, market.trades_unseen) & (starts >= market.first)
        self.trades_seen = self._sum(self._second(starts[seen]), np.diff(cuts)[seen])

    def _second(self, times: Times) -> Times:
        return times // SECOND - self.start

    def _sum(self, second: Times, weights: Column | None = None) -> Column:
        return np.bincount(second, weights, minlength=self.count)

    def _extremes(self, second: Times, values: Column) -> tuple[Column, Column]:
        least, greatest = np.full(self.count, np.inf), np.full(self.count, -np.inf)
        np.minimum.at(least, second, values)
        np.maximum.at(greatest, second, values)
        return least, greatest


def _over(values: Column, at: Times, length: int, back: int = 0) -> Column:
    """Return the `length` seconds before each place, `back` seconds earlier; shape (n, length)."""
    return sliding_window_view(values, length)[at - length - back]


def figures_of(market: Market, final_clock: int) -> Figures:
    """Return the figures of a market up to `final_clock` (nanoseconds; a whole second)."""
    end = max(final_clock // SECOND, market.first // SECOND)
    by_second = _Seconds(market, end)
    places = np.arange(_BEFORE + 1, by_second.count + 1)
    good_time = _over(by_second.time, places, WINDOW).sum(axis=1)
    earlier = np.concatenate([[0], good_time[:-1]])
    first_place = market.first // SECOND + 1 - by_second.start
    at = places[(good_time > 0) | (earlier > 0) | (places == first_place)]
    figures = Figures(market.name, by_second.start + at, by_second.n[at - 1])
    why = _put_quotes(figures, market)
    for label, length in WINDOWS.items():
        _put_window(figures, by_second, at, f"windows.{label}", length, why)
    _put_trading(figures, by_second, at)
    _put_baseline(figures, by_second, at, why)
    return figures


def _put_quotes(figures: Figures, market: Market) -> Texts:
    """Take in what is in force just before every row; return why the spread is null, or ''."""
    just_before = figures.seconds * SECOND - 1
    reason = market.why_unseen(just_before)
    quote = market.quotes.iloc[np.searchsorted(market.times, just_before, side="right") - 1]
    unseen = reason != ""
    one_sided, crossed = (quote[name].to_numpy(bool) for name in ("one_sided", "crossed"))
    sides: list[tuple[Mask, str | Texts]] = [(unseen, reason), (one_sided, "thin")]
    for name in ("bid", "ask", "bid_size", "ask_size"):
        figures.put(name, quote[name].to_numpy(np.float64), *sides)
    middle = [*sides, (crossed, "crossed")]
    for name in ("mid", "spread", "spread_bps"):
        why = figures.put(name, quote[name].to_numpy(np.float64), *middle)
    imbalance = quote["imbalance"].to_numpy(np.float64)
    figures.put("imbalance", imbalance, *middle, (np.isnan(imbalance), "thin"))
    figures.put("stale", unseen)
    return why


def _put_window(
    figures: Figures, by_second: _Seconds, at: Times, path: str, length: int, why: Texts
) -> None:
    """Take in a window; `why` is the reason of the spread."""
    good_time = _over(by_second.time, at, length).sum(axis=1)
    n = _over(by_second.n, at, length).sum(axis=1)
    nothing, none = good_time == 0, n == 0
    sized = _over(by_second.sized, at, length).sum(axis=1)
    integrals = {
        name: _over(values, at, length).sum(axis=1) for name, values in by_second.integrals.items()
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        means = {name: sums / good_time for name, sums in integrals.items()}
        means["imbalance"] = integrals["imbalance"] / sized
        tick_mean = _over(by_second.tick_sum, at, length).sum(axis=1) / n
    figures.put(f"{path}.mean", means["spread"], (nothing, why))
    figures.put(f"{path}.mean_bps", means["spread_bps"], (nothing, why))
    quiet: tuple[Mask, str] = (none & ~nothing, "quiet")
    figures.put(f"{path}.tick_mean", tick_mean, quiet, (none, why))
    least = _over(by_second.least, at, length).min(axis=1)
    greatest = _over(by_second.greatest, at, length).max(axis=1)
    figures.put(f"{path}.min", least, (nothing & none, why))
    figures.put(f"{path}.max", greatest, (nothing & none, why))
    figures.put(f"{path}.n", n)
    figures.put(f"{path}.coverage", good_time / (length * SECOND))
    figures.put(f"{path}.imbalance", means["imbalance"], (nothing, why), (sized == 0, "thin"))
    figures.put(f"{path}.depth", means["depth"], (nothing, why))
    trades = _over(by_second.trades, at, length).sum(axis=1)
    without = trades == 0, _why_no_trades(figures, by_second.market)
    figures.put(f"{path}.trades_n", trades)
    figures.put(f"{path}.trade_low", _over(by_second.low, at, length).min(axis=1), without)
    figures.put(f"{path}.trade_high", _over(by_second.high, at, length).max(axis=1), without)


def _why_no_trades(figures: Figures, market: Market) -> Texts:
    reason = market.why_no_trades(figures.seconds * SECOND - 1)
    return np.where(reason == "", "no_trades", reason)


def _put_trading(figures: Figures, by_second: _Seconds, at: Times) -> None:
    why = _why_no_trades(figures, by_second.market)

    def put(name: str, seconds_back: int) -> Column:
        sums, counts = (_over(part, at, WINDOW, seconds_back) for part in by_second.paid[name])
        n: Column = counts.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            figures.put(name, sums.sum(axis=1) / n, (n == 0, why))
        return n

    figures.put("trades_n", put("effective_bps", 0))
    for horizon in HORIZONS:
        figures.put(f"realised_{horizon}s_n", put(f"realised_{horizon}s_bps", horizon))
        put(f"impact_{horizon}s_bps", horizon)
    seen = _over(by_second.trades_seen, at, WINDOW).sum(axis=1)
    figures.put("trades_coverage", seen / (WINDOW * SECOND))


def _put_baseline(figures: Figures, by_second: _Seconds, at: Times, why: Texts) -> None:
    market = by_second.market
    first_second = market.first // SECOND
    bps = by_second.integrals["spread_bps"]
    x, number = panes_of(bps, by_second.time, by_second.start, first_second)
    base = baseline_at(figures.seconds, x, number)
    mean = figures.values["windows.15s.mean_bps"]
    young = figures.seconds * SECOND - market.first < HALF_HOUR * SECOND
    unmeasured = np.where(young, "warming", "thin")
    nothing = _over(by_second.time, at, WINDOW).sum(axis=1) == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (np.log(mean) - base.mean) / base.deviation
        half_life = 10 * np.log(0.5) / np.log(base.slope)
    few = base.n < FEWEST
    flat = base.deviation <= FLAT
    figures.put("baseline_bps", np.exp(base.mean), (few, unmeasured))
    figures.put("baseline_sigma", base.deviation, (few, unmeasured))
    nulls = (few, unmeasured), (mean == 0, "thin"), (flat, "quiet")
    figures.put("z", z, (nothing, why), *nulls)
    figures.put("z_n", base.n)
    reverts = (base.slope > 0) & (base.slope < 1)
    varies = ~np.isnan(base.slope)
    figures.put(
        "half_life_s",
        half_life,
        (base.pairs < FEWEST, unmeasured),
        (~varies, "quiet"),
        (~reverts, "not_mean_reverting"),
    )
    figures.put("half_life_n", base.pairs)
