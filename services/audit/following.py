"""Reference prices of a step from the mids of its second, and which sources stand behind them.

A source is followed from its first record on, and when that came no archive tells: as long as a
source has not shown in a price that it is followed, prices may be right without it.
"""

from __future__ import annotations

from itertools import chain, combinations

import msgspec
import numpy as np
import pandas as pd

from services.audit.found import TOLERANCE, differences

_MOST_UNFOLLOWED = 5
Prices = pd.DataFrame
"""By coin `price`, `currency` (its place among the reference currencies) and `venues`."""


class Explained(msgspec.Struct, frozen=True):
    """Which sources a step was made without.

    The prices of coins that are `excused` are right without them, of those that are `wrong` they
    are not in any way.
    """

    left_out: set[str]
    excused: set[str]
    wrong: set[str]


class Following:
    """The sources that a table follows, as far as its prices have shown."""

    def __init__(self) -> None:
        self.sources: set[str] = set()

    def take(self, step: pd.DataFrame, given: pd.DataFrame) -> Explained:
        """Return which sources a step was made without, and what prices are right so.

        `step` has by coin the published `price` and `venues`; `given` are the mids of its second
        (`coin`, `currency`, `mid`, `source`) but those of masked sources. Steps rise.
        """
        doubtful = _unlike(step, reference_prices(given))
        fresh = set(given["source"]) - self.sources
        # Others have nothing to do with it, and there may be many.
        concerned = set(given["source"][given["coin"].isin(list(doubtful))]) & fresh
        left_out: set[str] = set()
        excused: set[str] = set()
        if concerned:
            left_out, excused = _explained(step, given, concerned, doubtful)
        self.sources |= fresh - left_out
        return Explained(left_out, excused, doubtful - excused)


def reference_prices(mids: pd.DataFrame) -> Prices:
    """Return by coin the median of its mids in the first reference currency that it has."""
    first = mids.groupby("coin")["currency"].transform("min")
    chosen = mids[mids["currency"] == first].groupby("coin")
    return pd.DataFrame(
        {
            "price": chosen["mid"].median(),
            "currency": chosen["currency"].first(),
            "venues": chosen["mid"].count(),
        }
    )


def no_mids() -> pd.DataFrame:
    """Return the mids of a second in which there are none."""
    names = ("market", "as_of", "coin", "currency", "mid", "source")
    return pd.DataFrame({name: np.zeros(0) for name in names})


def _unlike(step: pd.DataFrame, prices: Prices) -> set[str]:
    """Return the coins whose price is another one."""
    every = step.index.union(prices.index)
    one = step["price"].reindex(every).to_numpy(np.float64)
    other = prices["price"].reindex(every).to_numpy(np.float64)
    venues = step["venues"].reindex(every).fillna(0).to_numpy()
    wanted = prices["venues"].reindex(every).fillna(0).to_numpy()
    unlike = (differences(one, other) > TOLERANCE) | (venues != wanted)
    return {str(coin) for coin in every[unlike]}


def _explained(
    step: pd.DataFrame, given: pd.DataFrame, fresh: set[str], doubtful: set[str]
) -> tuple[set[str], set[str]]:
    """Return which sources were not followed yet, and the coins that are right without them."""
    names = sorted(fresh)
    sizes = range(1, min(len(names), _MOST_UNFOLLOWED) + 1)
    choices = [*chain.from_iterable(combinations(names, size) for size in sizes), tuple(names)]
    best: tuple[set[str], set[str]] = (set(), set())
    for choice in choices:
        left_out = set(choice)
        still = _unlike(step, reference_prices(given[~given["source"].isin(left_out)]))
        if not still - doubtful and len(doubtful - still) > len(best[1]):
            best = left_out, doubtful - still
    return best
