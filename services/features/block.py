"""The rows of one hour: the grid, and what was in force at each of its times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.statistics.composite import MarketBar, composite
from models.statistics.correlation.pair_history import pair_history
from models.statistics.correlation.rows import row_weight
from services.features.as_of import (
    Floats,
    Times,
    Track,
    ages,
    empty_track,
    log_return,
    median,
    places,
    taken,
)
from services.features.columns import (
    AGE_INTERVALS,
    AGE_STEPS,
    BAR,
    FRESH_S,
    FUTURES_S,
    INDICATOR,
    MARKET,
    RETURNS_S,
)
from services.features.reading import FeatureReader

SECOND = 1_000_000
HOUR = 3_600 * SECOND

Values = dict[str, Floats]


class Choice(msgspec.Struct, frozen=True):
    """Which features; `against` is the coin of the correlations, `table` their table.

    `window_s`, `sampling_s` and `step_s` are that table's.
    """

    coins: tuple[str, ...]
    exchanges: tuple[str, ...]
    quote: str
    every_s: int
    interval: BarInterval
    against: str
    table: str
    window_s: int
    sampling_s: int
    step_s: int

    def market(self, exchange: str, coin: str) -> str:
        """Return the market of a coin on an exchange."""
        return f"{exchange}:{coin}-{self.quote}"


class Block:
    """One hour. What it reads does not depend on the range that is asked for, only on the hour."""

    def __init__(self, reader: FeatureReader, choice: Choice, begin: int) -> None:
        """Read what the hour from `begin` on (microseconds, a whole hour) rests on."""
        self._choice = choice
        self._begin = begin
        every = choice.every_s * SECOND
        self.times: Times = np.arange(-(-begin // every) * every, begin + HOUR, every)
        coins, exchanges = choice.coins, choice.exchanges
        markets = [choice.market(exchange, coin) for coin in coins for exchange in exchanges]
        fresh = FRESH_S * SECOND
        self._spreads = reader.spreads(
            markets,
            [column.source for column in MARKET if column.source],
            begin - max(RETURNS_S.values()) * SECOND - fresh,
            begin + HOUR + max(FUTURES_S.values()) * SECOND + 1,
        )
        self._length = INTERVAL_SECONDS[choice.interval] * SECOND
        # One more than is in force: whether one came with its bar is seen at the one before.
        since = begin - (AGE_INTERVALS + 1) * self._length
        self._indicators = reader.indicators(
            markets,
            choice.interval,
            [column.source for column in INDICATOR if column.source],
            self._length,
            since,
            begin + HOUR,
        )
        self._bars = reader.bars(markets, choice.interval, since, begin + HOUR)
        self._returns = reader.returns(
            sorted({*coins, choice.against}),
            choice.table,
            begin - (choice.window_s + AGE_STEPS * choice.step_s) * SECOND,
            begin + HOUR,
        )

    def rows(self, coin: str) -> Values:
        """Return the columns of a coin, one value a time of the grid; NaN is null."""
        found: Values = {}
        markets = {e: self._choice.market(e, coin) for e in self._choice.exchanges}
        for exchange, market in markets.items():
            found |= self._market(exchange, market)
        names = list(markets.values())
        mid = self._mid(names, self.times)
        found |= self._composite(names) | {"mid": mid}
        for name, seconds in RETURNS_S.items():
            before = self._mid(names, self.times - seconds * SECOND)
            found[f"return_{name}"] = log_return(before, mid)
        for name, seconds in FUTURES_S.items():
            after = self._later_mid(names, self.times + seconds * SECOND)
            found[f"future_return_{name}"] = log_return(mid, after)
        return found | self._bar(sorted(markets.values())) | self._correlation(coin)

    def _market(self, exchange: str, market: str) -> Values:
        found: Values = {}
        for tracks, columns, limit, age in (
            (self._spreads, MARKET, FRESH_S * SECOND, "age_s"),
            (self._indicators, INDICATOR, AGE_INTERVALS * self._length, "indicators_age_s"),
        ):
            sourced = [column for column in columns if column.source]
            track = tracks.get(market) or empty_track([column.source for column in sourced])
            at = places(track, self.times, limit)
            for column in sourced:
                found[f"{exchange}_{column.name}"] = taken(track.columns[column.source], at)
            found[f"{exchange}_{age}"] = ages(track, at, self.times)
        return found

    def _quoted(self, markets: Sequence[str], name: str, at: Times) -> Floats:
        """Return a figure of markets, shape (M, T)."""
        return np.array([
            taken(track.columns[name], places(track, at, FRESH_S * SECOND))
            for market in markets
            if (track := self._spreads.get(market)) is not None
        ]).reshape(-1, len(at))  # fmt: skip

    def _mid(self, markets: Sequence[str], at: Times) -> Floats:
        return median(self._quoted(markets, "mid", at))

    def _later_mid(self, markets: Sequence[str], at: Times) -> Floats:
        """Return the mid for a label: none where a market's next row is not archived yet.

        A label from rows that are still fresh at the archive's end would be another one tomorrow.
        """
        lasts = [int(self._spreads[market].times[-1]) for market in markets if self._has(market)]
        newest = max(lasts, default=0)
        # One that has been silent for longer has no part in the mid.
        until = min((last for last in lasts if newest - last <= FRESH_S * SECOND), default=0)
        return np.where(at <= until, self._mid(markets, at), np.nan)

    def _has(self, market: str) -> bool:
        return market in self._spreads and len(self._spreads[market].times) > 0

    def _composite(self, markets: Sequence[str]) -> Values:
        bids, asks = (self._quoted(markets, name, self.times) for name in ("bid", "ask"))
        none = np.full(len(self.times), np.nan)
        bid = np.fmax.reduce(np.vstack([none, bids]))
        ask = np.fmin.reduce(np.vstack([none, asks]))
        mids = self._quoted(markets, "mid", self.times)
        return {
            "venues": (~np.isnan(mids)).sum(axis=0).astype(np.float64),
            "best_bid": bid,
            "best_ask": ask,
            "best_spread_bps": 10_000 * (ask - bid) / ((ask + bid) / 2),
        }

    def _bar(self, markets: Sequence[str]) -> Values:
        by_start: dict[int, list[MarketBar]] = {}
        for market in markets:
            for row in self._bars.get(market, ()):
                bar = _market_bar(market, row, self._length)
                by_start.setdefault(bar.start, []).append(bar)
        merged = [composite(by_start[start]) for start in sorted(by_start)]
        columns = {
            column.name: np.array([_number(getattr(bar, column.source)) for bar in merged])
            for column in BAR
            if column.source
        }
        columns["bar_markets"] = np.array([float(len(bar.markets)) for bar in merged])
        ends = np.array([bar.end // 1_000 for bar in merged], np.int64)
        track = Track(ends, columns)
        at = places(track, self.times, AGE_INTERVALS * self._length)
        found = {name: taken(values, at) for name, values in columns.items()}
        return found | {"bar_age_s": ages(track, at, self.times)}

    def _correlation(self, coin: str) -> Values:
        """Return the correlation of each step's window, in force until the next one."""
        choice = self._choice
        step = choice.step_s * SECOND
        lookback = (choice.window_s // choice.step_s + AGE_STEPS) * step
        # Always as many steps: a sum over another shape may differ in its last bit.
        steps = np.arange(-(-(self._begin - lookback) // step) * step, self._begin + HOUR, step)
        mine, theirs = (self._on_steps(name, steps) for name in (coin, choice.against))
        joint = ~(np.isnan(mine) | np.isnan(theirs))
        weight = np.full(len(steps), row_weight(choice.sampling_s, choice.step_s))
        history = pair_history(mine, theirs, weight, choice.window_s // choice.step_s)
        track = Track(
            steps,
            {
                "correlation": history.correlation,
                "correlation_low": history.low,
                "correlation_high": history.high,
                "correlation_n": history.n.astype(np.float64),
            },
        )
        # In force is the newest step in which the coin has a row, with a return or without.
        rows = self._returns.get(coin) or empty_track(["log_return"])
        newest = places(rows, self.times, AGE_STEPS * step)
        at = np.full(len(self.times), -1, np.intp)
        if len(rows.times) and joint.any():
            place = np.searchsorted(steps, rows.times[newest])
            at = np.where((newest >= 0) & (place < len(steps)), place, -1)
        found = {name: taken(values, at) for name, values in track.columns.items()}
        return found | {"correlation_age_s": ages(rows, newest, self.times)}

    def _on_steps(self, coin: str, steps: Times) -> Floats:
        """Return the returns of a coin at these steps, NaN where it has none."""
        track = self._returns.get(coin) or empty_track(["log_return"])
        return taken(track.columns["log_return"], places(track, steps, 0))


def _market_bar(market: str, row: Mapping[str, object], length: int) -> MarketBar:
    """Return an archived bar; its start and length are in microseconds."""
    start = row["start"]
    assert isinstance(start, int)
    rest = {name: value for name, value in row.items() if name in _BAR_FIELDS}
    return MarketBar(
        market=market,
        start=start * 1_000,
        end=(start + length) * 1_000,
        reasons={},
        **rest,  # type: ignore[arg-type]
    )


_BAR_FIELDS = frozenset(MarketBar.__struct_fields__) - {"market", "start", "end", "reasons"}


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def is_in(times: Times, start: int, end: int) -> NDArray[np.bool_]:
    """Return which times lie in `[start, end)`."""
    return (times >= start) & (times < end)
