"""One table: its next step decided, its rows kept, its state taken back from the changelog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from agents.correlation.candle_log import CandleLog
from agents.correlation.grid import Grid, Row, RowMaker
from agents.correlation.rest import RestReturns, RestRows
from agents.correlation.ring import RowRing, Window
from agents.correlation.state import Decided, StepRow, decided_in, row_of, step_of
from agents.correlation.tables import TableDefinition
from agents.runtime.steps import Step

REST_SETTLED_S = 60
"""How long candles have to change nothing before the rows made from them are published."""

REST_ROWS_A_STEP = 240
"""Of the rows made from candles so many at most are published with one step."""


class RowSettings(msgspec.Struct, frozen=True):
    """How rows are made: how long a source is waited for, and in what prices are read."""

    limit_s: float
    reference_currencies: Sequence[str]


class TableLogs(msgspec.Struct, frozen=True):
    """What was read of the topics of a table's partition."""

    grid: Grid
    candles: CandleLog


def last_step(steps: Iterable[Step]) -> Step | None:
    """Return the step from which a table goes on: the one furthest on, None without any."""
    return max(steps, key=lambda step: step.index, default=None)


class Table:
    """The state of one table. Steps are decided by `decide`; `window` is what they rest on."""

    def __init__(
        self,
        definition: TableDefinition,
        settings: RowSettings,
        logs: TableLogs,
        steps: Sequence[Step],
    ) -> None:
        """Go on from the steps that the changelog holds of this table."""
        self.definition = definition
        self.last = last_step(steps)
        self._settings = settings
        self._logs = logs
        self._ring = RowRing(definition)
        self._rest: RestRows | None = None
        self._candles_from: int | None = None
        self._candles_to = logs.candles.next_offset
        decided = decided_in(self.last) if self.last is not None else None
        self._maker = RowMaker(
            definition,
            logs.grid,
            settings.limit_s,
            None if self.last is None else self.last.index * definition.step_s,
            None if decided is None else decided.sources,
            () if decided is None else decided.late,
        )
        self._rebuild_to: int | None = None
        self._rest_changed = 0
        self._rest_from = self._rest_until = 0
        if self.last is not None and decided is not None:
            self._restore(self.last, decided, steps)

    @property
    def needs_candles(self) -> bool:
        """Return whether candles that its last step rests on are still to be read."""
        return self._rebuild_to is not None and (self._logs.candles.next_offset < self._rebuild_to)

    @property
    def time(self) -> int:
        """Return the time of the last row, −1 before the first one."""
        return -1 if self._maker.time is None else self._maker.time

    def rebuild(self) -> None:
        """Put the candles that the last step rests on into the rows, once they are read."""
        if self._rebuild_to is not None:
            changed = self._rest_changed
            self._take_candles(self._rebuild_to, ())
            self._rest_changed = changed
            self._rebuild_to = None

    def window(self) -> Window:
        """Return the window of the last step."""
        return self._ring.window(0 if self.last is None else self.last.index)

    def rest_returns(self) -> RestReturns | None:
        """Return the rows made from candles that are published with the last step, if any are."""
        if self.last is None or self._rest is None or self._rest_from == self._rest_until:
            return None
        return self._rest.returns(self.last.markets, self._rest_from, self._rest_until)

    def candles_needed_from(self) -> int:
        """Return the first offset of candles that this table has not taken."""
        return self._candles_to

    def decide(self, at_end: bool, market_values: Mapping[str, float]) -> Step | None:
        """Make the next row, if no source is waited for, and return the step to be accepted.

        `market_values` decide which coins take part where their number is limited.
        """
        row = self._maker.next_row(at_end)
        if row is None:
            return None
        index = row.time // self.definition.step_s
        since = index if self.last is None else self.last.since
        new = self._choose(row, index, market_values)
        self._put(row, index)
        if self._rest is None and self.last is None and self.definition.uses_candles:
            self._rest = self._new_rest(since)
        self._take_candles(self._logs.candles.next_offset, new)
        self._drop_unpriced(index)
        self._forget_rest(row.time, since)
        self._settle_rest(row.time)
        self.last = self._step(row, index, since)
        return self.last

    def _choose(self, row: Row, index: int, market_values: Mapping[str, float]) -> list[str]:
        """Let coins join and leave; return those that are new."""
        names = self._logs.grid.markets.coins
        priced = {names[i] for i in np.flatnonzero(np.isfinite(row.price).any(axis=0))}
        members = set(self._ring.coins)
        chosen = priced | members
        most = self.definition.most_coins
        if most is not None and len(chosen) > most:
            chosen = set(
                sorted(chosen, key=lambda coin: (-market_values.get(coin, -1.0), coin))[:most]
            )
        for coin in members - chosen:
            self._ring.leave(coin)
        new = sorted(chosen - members)
        lines = len(row.price)
        for coin in new:
            prices = row.price[:, self._logs.grid.markets.coin_number(coin)]
            first_line = int(np.argmax(np.isfinite(prices)))
            self._ring.join(coin, index, row.time // self.definition.row_s - lines + 1 + first_line)
        return new

    def _put(self, row: Row, index: int) -> None:
        coins = self._ring.coins
        found = self._columns(row, coins)
        self._ring.put(index, coins, found.price, found.currency, found.quotes)

    def _columns(self, row: Row, coins: Sequence[str]) -> StepRow:
        numbers = [self._logs.grid.markets.coin_number(coin) for coin in coins]
        width = row.price.shape[1]
        if any(number >= width for number in numbers):
            # A coin of a former run that no market has named since.
            row = _widened(row, max(numbers) + 1)
        return StepRow(
            row.price[:, numbers],
            row.currency[:, numbers],
            row.venues[:, numbers],
            row.quotes[numbers],
            self._ring.joined(coins),
            self._ring.first_row(coins),
        )

    def _take_candles(self, until: int, new_coins: Iterable[str]) -> None:
        """Take candles up to an offset; fill rows of the coins that they, or joining, change."""
        changed = set(new_coins)
        if self._rest is not None:
            for offset, closes in self._logs.candles.between(self._candles_to, until):
                coin = self._rest.take(closes)
                if coin is not None:
                    changed.add(coin)
                    if self._candles_from is None:
                        self._candles_from = offset
            newest_row = self.time // self.definition.row_s
            for coin in sorted(changed.intersection(self._ring.coins)):
                line = self._rest.line(coin)
                if line is not None:
                    self._ring.put_rest(coin, self._rest.end, line, newest_row)
                    self._rest_changed = self.time
        self._candles_to = max(self._candles_to, until)

    def _settle_rest(self, time: int) -> None:
        """Choose which rows made from candles are published with this step."""
        if self._rest_changed == time:
            self._rest_from = self._rest_until = 0
            return
        self._rest_from = self._rest_until
        is_settled = self._rest_changed and time - self._rest_changed >= REST_SETTLED_S
        if self._rest is not None and is_settled:
            self._rest_until = min(self._rest_from + REST_ROWS_A_STEP, len(self._rest.end))

    def _drop_unpriced(self, index: int) -> None:
        for coin in self._ring.unpriced(index):
            self._ring.leave(coin)

    def _new_rest(self, since: int) -> RestRows:
        return RestRows(
            self.definition, since * self.definition.step_s, self._settings.reference_currencies
        )

    def _forget_rest(self, time: int, since: int) -> None:
        reach = self.definition.window_s + self.definition.sampling_s
        if time >= since * self.definition.step_s + reach:
            self._rest = self._candles_from = None

    def _step(self, row: Row, index: int, since: int) -> Step:
        coins = self._ring.coins
        candles_from = self._candles_to if self._candles_from is None else self._candles_from
        return step_of(
            self.definition,
            index,
            since,
            coins,
            self._columns(row, coins),
            Decided(
                row.sources,
                row.masked,
                row.late,
                self._candles_to,
                self._rest_changed,
                self._rest_from,
                self._rest_until,
            ),
            self._logs.grid.position(row.time),
            candles_from,
        )

    def _restore(self, last: Step, decided: Decided, steps: Sequence[Step]) -> None:
        newest = row_of(self.definition, last)
        for coin, joined, first_row in zip(
            last.markets, newest.joined.tolist(), newest.first_row.tolist(), strict=True
        ):
            self._ring.join(coin, joined, first_row)
        joined_in = dict(zip(last.markets, newest.joined.tolist(), strict=True))
        oldest = last.index - self.definition.slots
        for step in sorted(steps, key=lambda each: each.index):
            if step.index <= oldest:
                continue
            kept = [
                i
                for i, coin in enumerate(step.markets)
                # What a coin was before it left and joined again is forgotten.
                if joined_in.get(coin, step.index + 1) <= step.index
            ]
            row = row_of(self.definition, step)
            self._ring.put(
                step.index,
                [step.markets[i] for i in kept],
                row.price[:, kept],
                row.currency[:, kept],
                row.quotes[kept],
            )
        self._candles_to = decided.candles_to
        self._rest_changed = decided.rest_changed
        self._rest_from, self._rest_until = decided.rest_from, decided.rest_until
        candles_from = last.positions["candles"].offset
        if candles_from < decided.candles_to and self.definition.uses_candles:
            self._rest = self._new_rest(last.since)
            self._candles_to = candles_from
            self._rebuild_to = decided.candles_to
        elif self.definition.uses_candles:
            self._rest = self._new_rest(last.since)
            self._forget_rest(self.time, last.since)


def _widened(row: Row, width: int) -> Row:
    more = width - row.price.shape[1]
    rows = ((0, 0), (0, more))
    return msgspec.structs.replace(
        row,
        price=np.pad(row.price, rows, constant_values=np.nan),
        currency=np.pad(row.currency, rows, constant_values=-1),
        venues=np.pad(row.venues, rows),
        quotes=np.pad(row.quotes, (0, more)),
    )
