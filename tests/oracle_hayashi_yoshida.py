"""What a table of Hayashi and Yoshida's correlation must publish, by a direct double sum.

Every increment of one coin is held against every one of the other, pair by pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tests.oracle_correlation import LEAST_N, YEAR_S, Decision, Expected, Mids, Price, seconds

Increment = tuple[int, int, float]
"""From this second to that one, by so much."""


class HayashiYoshidaOracle:
    """One table; of its steps every `every`th is recomputed."""

    def __init__(self, table: str, mids: Mids, every: int) -> None:
        """Take the closes of the table's partition."""
        self._window, self._step = seconds(table.partition(".")[0]), 10
        self._mids = mids
        self._every = every

    def steps(self, decisions: Sequence[Decision]) -> Iterator[Expected]:
        """Return what the chosen ones of the decided steps publish."""
        live: dict[int, dict[str, Price]] = {}
        quotes: dict[int, dict[str, int]] = {}
        joined: dict[str, int] = {}
        first: dict[str, int] = {}
        for number, decision in enumerate(decisions):
            time, used = decision.time, decision.sources - decision.masked
            of_step = range(time - self._step + 1, time + 1)
            joined = {coin: joined.get(coin, time) for coin in decision.coins}
            live = {at: row for at, row in live.items() if at >= time - self._window}
            live |= {second: self._mids.reference(second, used) for second in of_step}
            begins = {
                coin: next(second for second in of_step if coin in live[second])
                for coin in decision.coins
                if joined[coin] == time
            }
            first = {coin: begins.get(coin, first.get(coin, time)) for coin in decision.coins}
            quotes[time] = self._mids.quotes(time, self._step, used)
            if number % self._every == 0 or number == len(decisions) - 1:
                yield self._expected(decision, live, quotes, joined, first)

    def _expected(
        self,
        decision: Decision,
        live: Mapping[int, Mapping[str, Price]],
        quotes: Mapping[int, Mapping[str, int]],
        joined: Mapping[str, int],
        first: Mapping[str, int],
    ) -> Expected:
        time, coins = decision.time, decision.coins
        prices = {
            coin: {at: row[coin] for at, row in live.items() if at >= first[coin] and coin in row}
            for coin in coins
        }
        increments = {coin: self._increments(prices[coin], time) for coin in coins}
        squares = {coin: sum(move**2 for _, _, move in increments[coin]) for coin in coins}
        found = Expected(
            time=time,
            price={coin: prices[coin][time][0] if time in prices[coin] else None for coin in coins},
            currency={
                coin: prices[coin][time][1] if time in prices[coin] else None for coin in coins
            },
            venues={coin: prices[coin][time][2] if time in prices[coin] else 0 for coin in coins},
            log_return={coin: _return(prices[coin], time) for coin in coins},
            matrix={},
            why={},
            n={},
            n_rest={},
            n_effective={},
            sigma={},
            ticks={},
        )
        steps = [at for at in quotes if time - self._window < at <= time]
        for i, a in enumerate(coins):
            mine = [at for at in steps if at >= joined[a]]
            found.ticks[a] = sum(quotes[at].get(a, 0) for at in mine) / (self._step * len(mine))
            for b in coins[i:]:
                n = min(len(increments[a]), len(increments[b]))
                is_new = max(first[a], first[b]) > time - self._window
                why = ("warming" if is_new else "thin") if n < LEAST_N else None
                found.why[a, b], found.n[a, b], found.n_rest[a, b] = why, n, 0
                found.n_effective[a, b] = float(n)
                found.matrix[a, b] = None
                if why is None:
                    r = _covariance(increments[a], increments[b])
                    r /= math.sqrt(squares[a] * squares[b])
                    found.matrix[a, b] = min(1.0, max(-1.0, r))
            is_there = found.matrix[a, a] is not None
            sigma = math.sqrt(squares[a] * YEAR_S / self._window)
            found.sigma[a] = sigma if is_there else None
        return found

    def _increments(self, prices: Mapping[int, Price], time: int) -> list[Increment]:
        found: list[Increment] = []
        last: tuple[int, float] | None = None
        for second in range(time - self._window + 1, time + 1):
            here, before = prices.get(second), prices.get(second - 1)
            if here is None or (before is not None and before[1] != here[1]):
                last = None
            elif last is None:
                last = second, here[0]
            elif here[0] != last[1]:
                found.append((last[0], second, math.log(here[0] / last[1])))
                last = second, here[0]
        return found


def _return(prices: Mapping[int, Price], time: int) -> float | None:
    here, before = prices.get(time), prices.get(time - 1)
    if here is None or before is None or here[1] != before[1]:
        return None
    return math.log(here[0]) - math.log(before[0])


def _covariance(a: Sequence[Increment], b: Sequence[Increment]) -> float:
    """Return the sum over all pairs of increments of which the intervals (from, to] overlap."""
    (from_a, to_a, move_a), (from_b, to_b, move_b) = (np.array(each).T for each in (a, b))
    overlap = (from_a[:, None] < to_b) & (from_b < to_a[:, None])
    return float(np.where(overlap, move_a[:, None] * move_b, 0.0).sum())
