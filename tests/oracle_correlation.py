"""What correlation tables must publish, recomputed in plain pandas, pair by pair.

Given are the closes, the candles, and what each step's changelog record decided: the sources that
were followed, those that were masked, the coins, and how many candles had arrived.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from models.records.candles import Candles
from models.records.closes import Closes

_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LEAST_N = 30
YEAR_S = 365 * 86_400


@dataclass(frozen=True)
class Decision:
    """What the changelog accepted for one step; `candles` is how many had arrived."""

    time: int
    sources: frozenset[str]
    masked: frozenset[str]
    coins: tuple[str, ...]
    candles: int


@dataclass(frozen=True)
class Expected:
    """One step: values by coin, cells by pair of coins (a, b) with a ≤ b."""

    time: int
    price: dict[str, float | None]
    currency: dict[str, str | None]
    venues: dict[str, int]
    log_return: dict[str, float | None]
    matrix: dict[tuple[str, str], float | None]
    why: dict[tuple[str, str], str | None]
    n: dict[tuple[str, str], int]
    n_rest: dict[tuple[str, str], int]
    n_effective: dict[tuple[str, str], float]
    sigma: dict[str, float | None]
    ticks: dict[str, float]


def seconds(text: str) -> int:
    """Return the seconds of `60s`, `5m`, `1h` or of an ISO-8601 time."""
    if text[-1] in _SPANS:
        return int(text[:-1]) * _SPANS[text[-1]]
    return int(datetime.fromisoformat(text).timestamp())


Price = tuple[float, str, int]
"""A reference price, its currency, and how many markets it is made of."""


class Mids:
    """The closes of a partition by second and source, and what follows from them alone."""

    def __init__(self, closes: Sequence[Closes], currencies: Sequence[str]) -> None:
        """Take the closes in the order of the log; of two of a source and second the first."""
        self.currencies = list(currencies)
        self._held: dict[int, dict[str, list[tuple[str, str, float | None, int]]]] = {}
        for each in closes:
            at = self._held.setdefault(seconds(each.as_of), {})
            markets = zip(each.markets, each.mid, each.n, strict=True)
            at.setdefault(
                f"{each.exchange}|{each.partition}",
                [(*_coin_and_quote(market), mid, n) for market, mid, n in markets],
            )

    def reference(self, second: int, used: frozenset[str]) -> dict[str, Price]:
        """Return the reference price of every coin that has one."""
        return medians(
            [
                (coin, quote, mid)
                for source, closes in self._held.get(second, {}).items()
                if source in used
                for coin, quote, mid, _ in closes
                if mid is not None
            ],
            self.currencies,
        )

    def quotes(self, time: int, step: int, used: frozenset[str]) -> dict[str, int]:
        """Return the good quotes of every coin in the seconds of a step."""
        found: dict[str, int] = {}
        for second in range(time - step + 1, time + 1):
            for source, closes in self._held.get(second, {}).items():
                for coin, _, _, n in closes if source in used else ():
                    found[coin] = found.get(coin, 0) + n
        return found


def medians(mids: Sequence[tuple[str, str, float]], currencies: Sequence[str]) -> dict[str, Price]:
    """Return by coin the median of its mids in the first currency in which there is one."""
    found: dict[str, Price] = {}
    for currency in currencies:
        by_coin: dict[str, list[float]] = {}
        for coin, quote, mid in mids:
            if quote == currency:
                by_coin.setdefault(coin, []).append(mid)
        for coin, values in by_coin.items():
            found.setdefault(coin, (statistics.median(values), currency, len(values)))
    return found


@cache
def _coin_and_quote(market: str) -> tuple[str, str]:
    coin, _, quote = market.partition(":")[2].rpartition("-")
    return coin, quote


class Oracle:
    """One table (`pearson`, `spearman` or `ewma`)."""

    def __init__(
        self,
        table: str,
        mids: Mids,
        candles: Sequence[Candles] = (),
    ) -> None:
        """Take the closes of the table's partition, and its candles in the order of the log."""
        window, sampling, self.method = table.split(".")
        self.window, self.sampling = seconds(window), seconds(sampling)
        self.step = 60 if self.sampling >= 300 else 10
        self.candles = list(candles)
        self._rest_rows: dict[int, dict[int, dict[str, Price]]] = {}
        self._mids = mids

    def steps(self, decisions: Sequence[Decision]) -> Iterator[Expected]:
        """Return what each of the decided steps, all of them from the first on, publishes."""
        live: dict[int, dict[str, Price]] = {}
        quotes: dict[int, dict[str, int]] = {}
        joined: dict[str, int] = {}
        for decision in decisions:
            members = set(decision.coins)
            joined = {coin: joined.get(coin, decision.time) for coin in members}
            used = decision.sources - decision.masked
            reach = decision.time - self.window - self.sampling
            live = {time: row for time, row in live.items() if time > reach}
            live[decision.time] = self._mids.reference(decision.time, used)
            quotes[decision.time] = self._mids.quotes(decision.time, self.step, used)
            first = decisions[0].time
            if decision.candles not in self._rest_rows:
                self._rest_rows[decision.candles] = self._rest(first, decision.candles)
            rest = self._rest_rows[decision.candles]
            prices: dict[int, dict[str, tuple[float, str, int, str]]] = {}
            for time, row in [*rest.items(), *live.items()]:
                kind = "rest" if time in rest else "live"
                prices[time] = {
                    coin: (*row[coin], kind)
                    for coin in members.intersection(row)
                    if kind == "rest" or time >= joined[coin]
                }
            yield self._expected(decision, prices, quotes, joined)

    def rest_returns(
        self, first: int, candles: int, coins: Sequence[str]
    ) -> dict[int, dict[str, tuple[float | None, str | None, int, float | None]]]:
        """Return by time the rows that so many records of candles make, `first` being live.

        By coin price, currency, how many markets it is made of, and log return.
        """
        rows = self._rest(first, candles)
        prices = {
            time: {coin: (*row[coin], "rest") for coin in coins if coin in row}
            for time, row in rows.items()
        }
        earliest = (first - self.window - self.sampling) // 60 * 60 + 60 + self.sampling
        return {
            time: {
                coin: (*row.get(coin, (None, None, 0))[:3], None if math.isnan(value) else value)
                for coin in coins
                for value in [self._return(prices, time, coin)]
            }
            for time, row in prices.items()
            if row and time >= earliest
        }

    def _rest(self, first: int, count: int) -> dict[int, dict[str, Price]]:
        if self.sampling < 60:
            return {}
        closes: dict[int, dict[str, float]] = {}
        for record in self.candles[:count]:
            for start, close in zip(record.start, record.close, strict=True):
                if first - self.window - self.sampling < start + 60 < first:
                    closes.setdefault(start + 60, {})[record.market] = close
        return {
            end: medians(
                [(*_coin_and_quote(market), close) for market, close in of_minute.items()],
                self._mids.currencies,
            )
            for end, of_minute in closes.items()
        }

    def _expected(
        self,
        decision: Decision,
        prices: dict[int, dict[str, tuple[float, str, int, str]]],
        quotes: dict[int, dict[str, int]],
        joined: dict[str, int],
    ) -> Expected:
        time, coins = decision.time, list(decision.coins)
        within = [each for each in sorted(prices) if time - self.window < each <= time]
        table = pd.DataFrame(
            {coin: [self._return(prices, each, coin) for each in within] for coin in coins},
            index=within,
            dtype=float,
        )
        rest = np.array([self._kind(prices, each) == "rest" for each in within])
        weights = np.array([self._weight(is_rest) for is_rest in rest])
        ages = np.array([time - each for each in within], float)
        first = {
            coin: min([joined[coin], *(each for each, row in prices.items() if coin in row)])
            for coin in coins
        }
        cells: dict[str, dict[tuple[str, str], Any]] = {
            name: {} for name in ("matrix", "why", "n", "n_rest", "n_effective")
        }
        values = {coin: table[coin].to_numpy() for coin in coins}
        for i, a in enumerate(coins):
            for b in coins[i:]:
                both = np.isfinite(values[a]) & np.isfinite(values[b])
                r, n_effective = self._pair(
                    values[a][both], values[b][both], weights[both], ages[both]
                )
                why = None
                if n_effective < LEAST_N:
                    new = max(first[a], first[b]) > time - self.window
                    why = "warming" if new else "thin"
                elif r is None:
                    why = "quiet"
                cells["matrix"][a, b] = r if why is None else None
                cells["why"][a, b] = why
                cells["n"][a, b] = int(both.sum())
                cells["n_rest"][a, b] = int((both & rest).sum())
                cells["n_effective"][a, b] = n_effective
        row = prices[time]
        steps = [each for each in quotes if time - self.window < each <= time]
        return Expected(
            time=time,
            price={coin: row[coin][0] if coin in row else None for coin in coins},
            currency={coin: row[coin][1] if coin in row else None for coin in coins},
            venues={coin: row[coin][2] if coin in row else 0 for coin in coins},
            log_return={
                coin: None if math.isnan(value) else value
                for coin in coins
                for value in [self._return(prices, time, coin)]
            },
            sigma={
                coin: self._sigma(values[coin], ages)
                if cells["matrix"][coin, coin] is not None
                else None
                for coin in coins
            },
            ticks={
                coin: sum(quotes[each].get(coin, 0) for each in mine) / (self.step * len(mine))
                for coin in coins
                for mine in [[each for each in steps if each >= joined[coin]]]
            },
            **cells,
        )

    def _kind(self, prices: dict[int, dict[str, tuple[float, str, int, str]]], time: int) -> str:
        return next((row[3] for row in prices[time].values()), "live")

    def _return(
        self, prices: dict[int, dict[str, tuple[float, str, int, str]]], time: int, coin: str
    ) -> float:
        now = prices[time].get(coin)
        before = prices.get(time - self.sampling, {}).get(coin)
        if now is None or before is None or now[1] != before[1] or now[3] != before[3]:
            return math.nan
        return math.log(now[0]) - math.log(before[0])

    def _weight(self, is_rest: bool) -> float:
        k = self.sampling / (max(60, self.step) if is_rest else self.step)
        return 3 * k / (2 * k * k + 1)

    def _pair(
        self, x: np.ndarray, y: np.ndarray, weights: np.ndarray, ages: np.ndarray
    ) -> tuple[float | None, float]:
        if self.method == "ewma":
            w = 2.0 ** (-ages / (self.window / 4))
            if not len(w):
                return None, 0.0
            effective = w.sum() ** 2 / (w**2).sum() * (w * weights).sum() / w.sum()
            scale = math.sqrt((w * x * x).sum() * (w * y * y).sum())
            return (float((w * x * y).sum() / scale) if scale > 0 else None), float(effective)
        # Rounded once: 102 rows of 5/17 are 30, not a bit less.
        effective = math.fsum(weights)
        if len(x) < 2 or len(set(x)) < 2 or len(set(y)) < 2:
            return None, effective
        if self.method == "spearman":
            x, y = pd.Series(x).rank().to_numpy(), pd.Series(y).rank().to_numpy()
        return float(np.corrcoef(x, y)[0, 1]), effective

    def _sigma(self, values: np.ndarray, ages: np.ndarray) -> float:
        there = np.isfinite(values)
        x, a_year = values[there], YEAR_S / self.sampling
        if self.method == "ewma":
            w = 2.0 ** (-ages[there] / (self.window / 4))
            return float(math.sqrt((w * x * x).sum() / w.sum() * a_year))
        return float(np.std(x) * math.sqrt(a_year))
