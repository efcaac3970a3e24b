"""The audit of `returns`: reference prices and returns from the archived mids of `spreads`.

Prices that are right without a source of which nothing shows yet that the table follows it are
counted as beyond the archive.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.topics import RETURNS, SPREADS
from services.audit.derived_rows import Rows, derived_rows, times
from services.audit.following import Following, no_mids, reference_prices
from services.audit.found import TopicFound, compare
from services.audit.pieces import SECOND, Flags, Floats, Times
from services.audit.snapshot import Snapshot
from services.audit.tables import STEP, TableShape, table_shape

_COLUMNS = ("table", "coin", "price", "quote_currency", "venues", "log_return", "masked", "source")
_LOOKBACK = 3600 * SECOND
Mids = dict[int, pd.DataFrame]
"""By second (of every step, and the one before) the mids in reference currencies."""


class _TableSoFar:
    """What is known of one table from the slices before."""

    def __init__(self) -> None:
        self.following = Following()
        self.steps: dict[int, pd.DataFrame] = {}
        self.told_to: int | None = None
        self.open: list[int] = []
        self.priced: dict[str, int] = {}


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
        self._mids_to = archive.ends(SPREADS.name)
        partitions = {name.partition for name in archive.names(RETURNS.name)}
        begins = start - _LOOKBACK
        self._is_whole = all(archive.is_whole(RETURNS.name, each, begins) for each in partitions)
        self._tables: dict[str, _TableSoFar] = {}
        self._seen: dict[str, Times] = {}

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""
        since = begin - _LOOKBACK if begin == self._start else begin
        rows = self._rows(since, begin, until, found)
        mids = self._mids(begin - STEP, until)
        tables = {str(name): each for name, each in rows.groupby("table")}
        for name in sorted({*tables, *self._tables}):
            of_table = tables.get(name, rows.iloc[:0])
            shape = table_shape(name)
            if shape is None:
                found.extra.take((name + " " + of_table["coin"]).tolist(), times(of_table))
            else:
                self._take_table(shape, of_table, mids, begin, found)

    def _rows(self, since: int, begin: int, until: int, found: TopicFound) -> pd.DataFrame:
        """Return the rows of live steps and those from candles, each step and coin once."""
        told = derived_rows(self._archive, RETURNS.name, None, since, until, _COLUMNS, {})
        in_slice = [each[each["as_of"] >= begin] for each in (told.repeated, told.twice)]
        once = told.once
        # Candles that come later change the rows made from them; a live one is made once.
        live = once[(once["as_of"] >= begin) & (once["source"] == "live")]
        Rows(live, *in_slice).tell_copies(found, ("table", "coin"))
        is_live = once["source"] == "live"
        keys = ["table", "coin", "as_of"]
        counted = [
            once[is_live].drop_duplicates(keys),
            once[~is_live].drop_duplicates(keys, keep="last"),
        ]
        rows = pd.concat(counted, ignore_index=True) if len(once) else once.copy()
        rows["quote_currency"] = rows["quote_currency"].map(self._ranks).astype(np.float64)
        late = rows["as_of"] > self._mids_to
        found.pass_over("later than the spreads that are archived", int(late.sum()))
        return rows[~late]

    def _mids(self, begin: int, until: int) -> Mids:
        columns = ("market", "coin", "quote_currency", "exchange", "mid")
        frames = []
        partitions = {name.partition for name in self._archive.names(SPREADS.name)}
        for partition in sorted(partitions):
            read = derived_rows(self._archive, SPREADS.name, partition, begin, until, columns, {})
            rows = read.once
            rows["currency"] = rows["quote_currency"].map(self._ranks)
            rows = rows[rows["currency"].notna() & (rows["mid"] > 0)]
            rows["source"] = rows["exchange"].astype(str) + f"|{partition}"
            self._see(rows["coin"], -(-rows["as_of"] // STEP) * STEP)
            frames.append(rows[(rows["as_of"] % STEP).isin([0, STEP - SECOND])])
        mids = pd.concat(frames, ignore_index=True) if frames else no_mids()
        mids = mids.drop_duplicates(["market", "as_of"])
        return {int(str(at)): each for at, each in mids.groupby("as_of")}

    def _see(self, coins: pd.Series[str], steps: pd.Series[int]) -> None:
        """Note in which steps a coin has had a mid; of the slices before the last one is kept."""
        for coin, each in steps.groupby(coins):
            before = self._seen.get(str(coin), np.zeros(0, np.int64))[-1:]
            self._seen[str(coin)] = np.union1d(before, each.to_numpy(np.int64))

    def _has_been_seen(self, coin: str, since: int, at: int) -> bool:
        """Return whether a coin has had a mid in `(since, at]`."""
        seen = self._seen.get(coin, np.zeros(0, np.int64))
        place = int(np.searchsorted(seen, at, "right"))
        return place > 0 and int(seen[place - 1]) > since

    def _take_table(
        self, table: TableShape, rows: pd.DataFrame, mids: Mids, begin: int, found: TopicFound
    ) -> None:
        so_far = self._tables.setdefault(table.name, _TableSoFar())
        misplaced = rows["as_of"] % table.step != 0
        names = (table.name + " " + rows["coin"][misplaced]).tolist()
        found.extra.take(names, times(rows[misplaced]))
        rows = rows[~misplaced]
        steps = {int(str(at)): each.set_index("coin") for at, each in rows.groupby("as_of")}
        self._tell_missing(table, so_far, sorted(steps), mids, begin, found)
        for at in sorted(steps):
            step = steps[at]
            if (step["source"] != "live").any():
                # Made from candles, which are not archived; a live price is not held against it.
                found.pass_over("made from candles", len(step) if at >= begin else 0)
                so_far.steps[at] = step.assign(price=np.nan)
                continue
            if at >= begin:
                step = self._without_extra(table, at, step, so_far, found)
                if len(step):
                    self._take_step(table, at, step, mids, so_far, found)
            else:
                so_far.priced |= dict.fromkeys(step.index[step["price"].notna()], at)
            so_far.steps[at] = step
        newest = max(steps, default=0)
        for old in [at for at in so_far.steps if at < newest - table.sampling]:
            del so_far.steps[old]

    def _tell_missing(
        self,
        table: TableShape,
        so_far: _TableSoFar,
        steps: list[int],
        mids: Mids,
        begin: int,
        found: TopicFound,
    ) -> None:
        """Tell steps between two that were published, of which there are mids."""
        if so_far.told_to is None:
            if not steps:
                return
            earlier = [at for at in steps if at < begin]
            so_far.told_to = earlier[-1] if earlier else steps[0]
        told_to = so_far.told_to
        so_far.open += [at for at in mids if at % table.step == 0 and at >= begin and at > told_to]
        if not steps:
            return
        so_far.told_to = max(told_to, steps[-1])
        gone = [at for at in so_far.open if at < steps[-1] and at not in steps]
        so_far.open = [at for at in so_far.open if at > steps[-1]]
        found.missing.take(table.name, np.array(sorted(gone), np.int64))

    def _without_extra(
        self,
        table: TableShape,
        at: int,
        step: pd.DataFrame,
        so_far: _TableSoFar,
        found: TopicFound,
    ) -> pd.DataFrame:
        """Return a step without the coins that have had no mid in the whole window."""
        since = at - table.window
        if not self._is_whole and since < self._start - _LOOKBACK:
            return step  # What may have been before is not known.
        never = [
            coin
            for coin in step.index
            if not self._has_been_seen(coin, since, at) and so_far.priced.get(coin, 0) <= since
        ]
        found.extra.take([f"{table.name} {coin}" for coin in never], np.full(len(never), at))
        return step[~step.index.isin(never)]

    def _take_step(
        self,
        table: TableShape,
        at: int,
        step: pd.DataFrame,
        mids: Mids,
        so_far: _TableSoFar,
        found: TopicFound,
    ) -> None:
        masked = {each for each in str(step["masked"].iloc[0]).split(",") if each}
        so_far.following.sources |= masked
        given = mids.get(at, no_mids())
        given = given[~given["source"].isin(masked)]
        unlimited = table.method == "pearson" or len(step) < self._many_coins
        if not unlimited:
            given = given[given["coin"].isin(step.index)]
        explained = so_far.following.take(step, given)
        excused, apart = explained.excused, masked | explained.left_out
        prices = reference_prices(given)
        for coin in prices.index.difference(step.index):
            if coin not in excused:
                found.missing.take(f"{table.name} {coin}", np.array([at]))
        known = step[~step.index.isin(list(excused))]
        found.pass_over("right without a source that may not be followed yet", len(excused))
        expected = prices.reindex(known.index)
        if table.sampling < table.step:
            earlier = mids.get(at - table.sampling, no_mids())
            earlier = earlier[~earlier["source"].isin(apart)]
            then = reference_prices(earlier).rename(columns={"currency": "quote_currency"})
            returns, is_known = _returns(known, then), True
        else:
            returns, is_known = self._returns(table, at, known, so_far.steps)
        columns = {
            "price": expected["price"].to_numpy(np.float64),
            "quote_currency": expected["currency"].to_numpy(np.float64),
            "venues": expected["venues"].fillna(0).to_numpy(np.float64),
            "log_return": returns,
        }
        knows: Flags = np.full(len(known), is_known)
        compare(
            found,
            [f"{table.name} {coin}" for coin in known.index],
            np.full(len(known), at),
            {name: known[name].to_numpy(np.float64) for name in columns},
            columns,
            {"log_return": knows},
        )

    def _returns(
        self, table: TableShape, at: int, step: pd.DataFrame, before: dict[int, pd.DataFrame]
    ) -> tuple[Floats, bool]:
        """Return the returns up to a step, and whether the archive holds what they begin with."""
        earlier = before.get(at - table.sampling)
        if earlier is None:
            # A step may be passed over; but what lies before the archive is not known.
            known = bool(before) and min(before) <= at - table.sampling
            return np.full(len(step), np.nan), known
        return _returns(step, earlier), True


def _returns(step: pd.DataFrame, earlier: pd.DataFrame) -> Floats:
    """Return the logarithms of the prices over those of another time, in the same currency."""
    then = earlier.reindex(step.index)
    same = then["quote_currency"] == step["quote_currency"]
    returns: Floats = np.log((step["price"] / then["price"].where(same)).to_numpy(np.float64))
    return returns
