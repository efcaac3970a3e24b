"""The audit of `returns`: reference prices and returns from the archived mids of `spreads`.

A source is followed from its first record on, and when that came no archive tells: as long as a
source has not shown in a price that it is followed, prices that are right without it are counted
as beyond the archive.
"""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pandas as pd

from models.topics import RETURNS, SPREADS
from services.audit.derived_rows import derived_frame
from services.audit.found import TOLERANCE, TopicFound, compare, differences
from services.audit.pieces import SECOND, Floats
from services.audit.snapshot import Snapshot
from services.audit.tables import STEP, TableShape, table_shape

_COLUMNS = ("table", "coin", "price", "quote_currency", "venues", "log_return", "masked", "source")
_MOST_UNFOLLOWED = 5
Prices = pd.DataFrame
"""By coin `price`, `currency` (its place among the reference currencies) and `venues`."""


class ReturnsAudit:
    """The audit of the whole topic; slices are taken in their order."""

    def __init__(
        self, archive: Snapshot, currencies: list[str], many_coins: int, start: int
    ) -> None:
        """`currencies` are the reference currencies; of most methods `many_coins` is the limit."""
        self._archive = archive
        self._ranks = {currency: float(rank) for rank, currency in enumerate(currencies)}
        self._many_coins = many_coins
        self._start = start
        self._followed: dict[str, set[str]] = {}
        self._before: dict[str, dict[int, pd.DataFrame]] = {}

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        since = begin
        if begin == self._start:
            since = begin - 3600 * SECOND
        rows = derived_frame(self._archive, RETURNS.name, None, since, until, _COLUMNS, {})
        rows["quote_currency"] = rows["quote_currency"].map(self._ranks).astype(np.float64)
        mids = self._mids(begin, until)
        for name, of_table in rows.groupby("table"):
            self._take_table(table_shape(str(name)), of_table, mids, begin, found)

    def _mids(self, begin: int, until: int) -> dict[int, pd.DataFrame]:
        """Return by second, of every step, the mids in reference currencies."""
        columns = ("market", "coin", "quote_currency", "exchange", "mid")
        frames = []
        partitions = {name.partition for name in self._archive.names(SPREADS.name)}
        for partition in sorted(partitions):
            rows = derived_frame(self._archive, SPREADS.name, partition, begin, until, columns, {})
            rows = rows[(rows["as_of"] % STEP == 0)].copy()
            rows["source"] = rows["exchange"].astype(str) + f"|{partition}"
            rows["currency"] = rows["quote_currency"].map(self._ranks)
            frames.append(rows[rows["currency"].notna() & (rows["mid"] > 0)])
        mids = pd.concat(frames, ignore_index=True)
        return {int(str(at)): each for at, each in mids.groupby("as_of")}

    def _take_table(
        self,
        table: TableShape,
        rows: pd.DataFrame,
        mids: dict[int, pd.DataFrame],
        begin: int,
        found: TopicFound,
    ) -> None:
        steps = {int(str(at)): each.set_index("coin") for at, each in rows.groupby("as_of")}
        before = self._before.setdefault(table.name, {})
        followed = self._followed.setdefault(table.name, set())
        ends = [at for at in mids if at % table.step == 0]
        told = [at for at in steps if at >= begin]
        if told:
            gone = [at for at in ends if min(told) < at < max(told) and at not in steps]
            found.miss(table.name, np.array(gone, np.int64))
        for at in sorted(steps):
            step = steps[at]
            if (step["source"] != "live").any():
                # Made from candles, which are not archived; a live price is not held against it.
                found.beyond += len(step) if at >= begin else 0
                before[at] = step.assign(price=np.nan)
                continue
            if at >= begin:
                self._take_step(table, at, step, mids.get(at), before, followed, found)
            before[at] = step
        for old in [at for at in before if at < max(steps, default=0) - table.sampling]:
            del before[old]

    def _take_step(
        self,
        table: TableShape,
        at: int,
        step: pd.DataFrame,
        mids: pd.DataFrame | None,
        before: dict[int, pd.DataFrame],
        followed: set[str],
        found: TopicFound,
    ) -> None:
        masked = {each for each in str(step["masked"].iloc[0]).split(",") if each}
        followed |= masked
        given = _nothing() if mids is None else mids[~mids["source"].isin(masked)]
        prices = reference_prices(given)
        doubtful = _unlike(step, prices)
        fresh = set(given["source"]) - followed
        excused: set[str] = set()
        if doubtful and fresh:
            left_out, excused = _explained(step, given, fresh, doubtful)
            fresh -= left_out
        followed |= fresh
        unlimited = table.method == "pearson" or len(step) < self._many_coins
        if unlimited:
            for coin in prices.index.difference(step.index):
                if coin not in excused:
                    found.miss(f"{table.name} {coin}", np.array([at]))
        known = step[~step.index.isin(list(excused))]
        found.beyond += len(step) - len(known)
        expected = prices.reindex(known.index)
        returns, is_known = self._returns(table, at, known, before)
        columns = {
            "price": expected["price"].to_numpy(np.float64),
            "quote_currency": expected["currency"].to_numpy(np.float64),
            "venues": expected["venues"].fillna(0).to_numpy(np.float64),
            "log_return": returns,
        }
        compare(
            found,
            [f"{table.name} {coin}" for coin in known.index],
            np.full(len(known), at),
            {name: known[name].to_numpy(np.float64) for name in columns},
            columns,
            {"log_return": np.full(len(known), is_known)},
        )

    def _returns(
        self, table: TableShape, at: int, step: pd.DataFrame, before: dict[int, pd.DataFrame]
    ) -> tuple[Floats, bool]:
        """Return the returns up to a step, and whether the archive holds what they begin with."""
        if table.sampling % table.step:
            return np.full(len(step), np.nan), False  # the price in between is not published
        earlier = before.get(at - table.sampling)
        if earlier is None:
            # A step may be passed over; but what lies before the archive is not known.
            known = bool(before) and min(before) <= at - table.sampling
            return np.full(len(step), np.nan), known
        then = earlier.reindex(step.index)
        same = then["quote_currency"] == step["quote_currency"]
        ratio = step["price"] / then["price"].where(same)
        return np.log(ratio.to_numpy(np.float64)), True


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


def _nothing() -> pd.DataFrame:
    names = ("coin", "currency", "mid", "source")
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
