"""The state of the spread agent."""

from __future__ import annotations

import msgspec

from agents.runtime.panes import PaneColumns
from agents.runtime.tables import HoppingTable, TumblingTable
from models.statistics import quoted_size, quoted_spread, seen_time, trade_costs, trade_range

LOG_SPREAD = "log_spread_bps"
"""The x of the baseline."""


class SpreadTables(msgspec.Struct, frozen=True):
    """Everything that says how long something is kept and looked at.

    The first of `windows` is the W of the trades' figures and of `z`. `horizons` are in seconds.
    The baseline are the newest `baseline_panes` that end a first window before the second at
    hand. A source of which no market has had a row for more than `forget_after` seconds has
    nothing left in any window.
    """

    panes: TumblingTable
    windows: tuple[HoppingTable, ...]
    horizons: tuple[int, int]
    baseline: TumblingTable
    baseline_panes: int
    fewest: int
    forget_after: int

    @property
    def window(self) -> int:
        """Return how many seconds a published second reaches back, but for the baseline."""
        first, longest = self.windows[0].seconds, max(each.seconds for each in self.windows)
        return max(longest, first + max(self.horizons))

    @property
    def overlap(self) -> int:
        """Return on how many panes the state at a boundary depends: the row before, and a pane."""
        return max(self.windows[0].seconds, self.baseline.seconds) + 1

    @property
    def baseline_window(self) -> int:
        """Return how many panes before the newest one the baseline reaches back."""
        behind = self.windows[0].seconds + self.baseline.seconds
        return self.baseline_panes + -(-behind // self.baseline.seconds)


def _horizon_sums(horizons: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(name for horizon in horizons for name in trade_costs.horizon_sums(horizon))


def spread_tables(
    windows: tuple[int, ...] = (15, 60, 300),
    horizons: tuple[int, int] = (5, 60),
    slots: int = 384,
    baseline_seconds: int = 10,
    baseline_panes: int = 180,
    baseline_slots: int = 1024,
    fewest: int = 30,
    forget_after: int = 31 * 60,
) -> SpreadTables:
    """Return the tables of the agent; a test may want shorter ones.

    `slots` leave a window and its overlap besides the few late steps that an old worker may
    write over the newest ones; those of the baseline leave one that is late by two hours.
    """
    columns = PaneColumns(
        sums=(
            *quoted_spread.SUMS,
            *quoted_size.SUMS,
            *trade_range.SUMS,
            *seen_time.SUMS,
            *trade_costs.EFFECTIVE_SUMS,
            *_horizon_sums(horizons),
        ),
        minima=(*quoted_spread.MINIMA, *trade_range.MINIMA),
        maxima=(*quoted_spread.MAXIMA, *trade_range.MAXIMA),
    )
    panes = TumblingTable("panes", seconds=1, columns=columns, slots=slots)
    return SpreadTables(
        panes,
        tuple(HoppingTable(panes, seconds=seconds, step=1) for seconds in windows),
        horizons,
        TumblingTable(
            "baseline",
            seconds=baseline_seconds,
            columns=PaneColumns(values=(LOG_SPREAD,)),
            slots=baseline_slots,
        ),
        baseline_panes,
        fewest,
        forget_after,
    )


TABLES = spread_tables()
