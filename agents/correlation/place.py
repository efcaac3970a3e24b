"""The tables of one partition, and what was read for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agents.correlation.candle_log import CandleLog
from agents.correlation.grid import Grid
from agents.correlation.prices import Markets
from agents.correlation.table import RowSettings, Table, TableLogs, last_step
from agents.correlation.tables import TableDefinition
from agents.runtime.steps import Step
from models.topics import CANDLES, CLOSES

# So much may be read ahead of the slowest table.
_HELD_SECONDS = 600


class Place:
    """One partition: its tables share what was read."""

    def __init__(
        self,
        definitions: Iterable[TableDefinition],
        settings: RowSettings,
        steps: Iterable[Step],
        beginnings: Mapping[str, int],
    ) -> None:
        """Rebuild the tables; `beginnings` are the first offsets of the topics, by topic."""
        by_table: dict[str, list[Step]] = {}
        for step in steps:
            by_table.setdefault(step.exchange, []).append(step)
        chosen = [(each, by_table.get(each.name, [])) for each in definitions]
        starts = {
            topic: min(
                (_start(topic, found, beginnings[topic]) for _, found in chosen),
                default=beginnings[topic],
            )
            for topic in (CLOSES.name, CANDLES.name)
        }
        self.grid = Grid(Markets(settings.reference_currencies), starts[CLOSES.name])
        self.candles = CandleLog(starts[CANDLES.name])
        logs = TableLogs(self.grid, self.candles)
        self.tables = [Table(each, settings, logs, found) for each, found in chosen]
        # Published again, since it is not known whether it was.
        self.unpublished = [table for table in self.tables if table.last is not None]

    def positions(self) -> dict[str, int]:
        """Return by topic the next offset to be read."""
        return {CLOSES.name: self.grid.next_offset, CANDLES.name: self.candles.next_offset}

    def is_full(self) -> bool:
        """Return whether so much is held that tables should go on first."""
        return self.grid.seconds_held > _HELD_SECONDS

    def rebuilt(self) -> list[Table]:
        """Return, once, the tables whose last step can now be published again."""
        ready = [table for table in self.unpublished if not table.needs_candles]
        for table in ready:
            table.rebuild()
            self.unpublished.remove(table)
        return ready

    def decide(self, at_end: bool, market_values: Mapping[str, float]) -> list[Table]:
        """Return the tables that have made their next step; forgets what no table needs."""
        decided = [
            table
            for table in self.tables
            if table not in self.unpublished and table.decide(at_end, market_values) is not None
        ]
        self.grid.forget(min((table.time for table in self.tables), default=-1))
        self.candles.forget(min((table.candles_needed_from() for table in self.tables), default=0))
        return decided


def _start(topic: str, steps: Sequence[Step], beginning: int) -> int:
    last = last_step(steps)
    return beginning if last is None else max(beginning, last.positions[topic].offset)
