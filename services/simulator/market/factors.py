"""Correlated prices with a known truth: one factor of the market, one of every group, own noise.

With standard normal f, g and e a coin's log return over dt seconds is

    volatility · √dt · (a·f + b·g[group] + √(1 − a² − b²)·e),

so the correlation of two coins is a₁a₂, plus b₁b₂ where they share a group: at every sampling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.simulator.market.coins import GROUPS, Coin

Floats = NDArray[np.float64]

_LN2 = float(np.log(2.0))


class Factors:
    """The loadings of every coin, and returns drawn with them."""

    def __init__(self, coins: Sequence[Coin], rng: np.random.Generator) -> None:
        self._volatility = np.array([coin.volatility for coin in coins])
        self._groups = np.array([GROUPS.index(coin.group) for coin in coins])
        self._market = rng.uniform(0.5, 0.85, len(coins))
        self._group = rng.uniform(0.2, 0.45, len(coins))
        self._own = np.sqrt(1.0 - self._market**2 - self._group**2)

    def true_correlation(self) -> Floats:
        """Return the correlation matrix of log returns, in the order of the coins."""
        same_group = self._groups[:, None] == self._groups[None, :]
        matrix = np.outer(self._market, self._market)
        matrix += same_group * np.outer(self._group, self._group)
        np.fill_diagonal(matrix, 1.0)
        return matrix

    def returns(self, rng: np.random.Generator, seconds: float, steps: int = 1) -> Floats:
        """Return log returns of `steps` steps of `seconds` each; one row a step."""
        coins, groups = len(self._volatility), len(GROUPS)
        draws = rng.standard_normal((steps, 1 + groups + coins))
        moves = draws[:, :1] * self._market
        moves += draws[:, 1 + self._groups] * self._group
        moves += draws[:, 1 + groups :] * self._own
        moves *= self._volatility * seconds**0.5
        return moves


class Reverting:
    """Many values that revert to a mean, each by the exact step of an Ornstein-Uhlenbeck process.

    A deviation from `mean` halves in `half_life_s` seconds in expectation; `deviation` is the
    stationary standard deviation, from which the values also start.
    """

    def __init__(
        self,
        mean: Floats,
        deviation: Floats,
        half_life_s: Floats,
        seconds: float,
        rng: np.random.Generator,
    ) -> None:
        """`seconds` is the length of one step."""
        self.values = mean + deviation * rng.standard_normal(len(mean))
        self._decay = np.exp(-_LN2 * seconds / half_life_s)
        self._pull = mean * (1.0 - self._decay)
        self._noise = deviation * np.sqrt(1.0 - self._decay**2)

    def step(self, rng: np.random.Generator) -> None:
        """Move every value one step on."""
        self.values *= self._decay
        self.values += self._pull
        self.values += self._noise * rng.standard_normal(len(self.values))
